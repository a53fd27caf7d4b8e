package main

import (
	"os"
	"strings"
	"time"

	"github.com/goharbor/go-client/pkg/sdk/v2.0/client"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/jobservice"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/registry"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/replication"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/repository"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/schedule"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"
)

func vendors(admin *client.HarborAPI) {
	types := must(admin.Registry.ListRegistryProviderTypes(ctx, &registry.ListRegistryProviderTypesParams{})).Payload
	infos := must(admin.Registry.ListRegistryProviderInfos(ctx, &registry.ListRegistryProviderInfosParams{})).Payload
	check(len(types) == len(infos), types, infos)
	pattern := infos["docker-registry"].EndpointPattern
	check(pattern.EndpointType == "EndpointPatternTypeStandard", pattern)
	local := must(admin.Registry.GetRegistryInfo(ctx, &registry.GetRegistryInfoParams{ID: 0})).Payload
	check(len(local.SupportedTriggers) == 3 && len(local.SupportedResourceFilters) == 4, local)
}

func replications(admin *client.HarborAPI) {
	hub := &models.Registry{Name: "source", Type: "docker-registry", URL: os.Getenv("UPSTREAM_URL")}
	from := idIn(must(admin.Registry.CreateRegistry(ctx, &registry.CreateRegistryParams{Registry: hub})).Location)
	must(admin.Project.CreateProject(ctx, &project.CreateProjectParams{
		Project: &models.ProjectReq{ProjectName: "copies"},
	}))
	policy := &models.ReplicationPolicy{
		Name: "copying", SrcRegistry: &models.Registry{ID: from}, DestNamespace: "copies",
		DestNamespaceReplaceCount: the(int8(1)), Enabled: true, Override: true,
		Trigger: &models.ReplicationTrigger{
			Type: "scheduled", TriggerSettings: &models.ReplicationTriggerSettings{Cron: "0 0 3 1 1 *"},
		},
		Filters: []*models.ReplicationFilter{{Type: "name", Value: "library/x"}, {Type: "resource", Value: "image"}},
	}
	create := &replication.CreateReplicationPolicyParams{Policy: policy}
	id := idIn(must(admin.Replication.CreateReplicationPolicy(ctx, create)).Location)
	refused[*replication.CreateReplicationPolicyConflict](admin.Replication.CreateReplicationPolicy(ctx, create))
	refused[*replication.CreateReplicationPolicyBadRequest](admin.Replication.CreateReplicationPolicy(ctx,
		&replication.CreateReplicationPolicyParams{Policy: &models.ReplicationPolicy{Name: "nowhere"}}))
	read := must(admin.Replication.GetReplicationPolicy(ctx,
		&replication.GetReplicationPolicyParams{ID: id})).Payload
	check(read.SrcRegistry.Name == "source" && read.DestRegistry.ID == 0 && len(read.Filters) == 2, read)
	check(read.Trigger.TriggerSettings.Cron == "0 0 3 1 1 *", read.Trigger)
	read.Description = "changed"
	must(admin.Replication.UpdateReplicationPolicy(ctx,
		&replication.UpdateReplicationPolicyParams{ID: id, Policy: read}))
	listed := must(admin.Replication.ListReplicationPolicies(ctx,
		&replication.ListReplicationPoliciesParams{Name: the("copying")}))
	check(listed.XTotalCount == 1 && listed.Payload[0].Description == "changed", listed)
	refused[*registry.DeleteRegistryPreconditionFailed](
		admin.Registry.DeleteRegistry(ctx, &registry.DeleteRegistryParams{ID: from}))

	jobs(admin, id)
	executed(admin, id)

	must(admin.Replication.DeleteReplicationPolicy(ctx, &replication.DeleteReplicationPolicyParams{ID: id}))
	refused[*replication.DeleteReplicationPolicyNotFound](
		admin.Replication.DeleteReplicationPolicy(ctx, &replication.DeleteReplicationPolicyParams{ID: id}))
	must(admin.Repository.DeleteRepository(ctx,
		&repository.DeleteRepositoryParams{ProjectName: "copies", RepositoryName: "x"}))
	must(admin.Project.DeleteProject(ctx, &project.DeleteProjectParams{ProjectNameOrID: "copies"}))
	must(admin.Registry.DeleteRegistry(ctx, &registry.DeleteRegistryParams{ID: from}))
}

// jobs looks at what runs when, and at who does it.
func jobs(admin *client.HarborAPI, policy int64) {
	schedules := must(admin.Schedule.ListSchedules(ctx, &schedule.ListSchedulesParams{}))
	check(schedules.XTotalCount == 1 && schedules.Payload[0].VendorID == policy, schedules)
	queue := &models.ActionRequest{Action: "pause"}
	act := &jobservice.ActionPendingJobsParams{JobType: "REPLICATION", ActionRequest: queue}
	must(admin.Jobservice.ActionPendingJobs(ctx, act))
	queues := must(admin.Jobservice.ListJobQueues(ctx, &jobservice.ListJobQueuesParams{})).Payload
	check(len(queues) == 1 && queues[0].Paused, queues)
	queue.Action = "resume"
	must(admin.Jobservice.ActionPendingJobs(ctx, act))
	paused := must(admin.Schedule.GetSchedulePaused(ctx, &schedule.GetSchedulePausedParams{JobType: "all"})).Payload
	check(!paused.Paused, paused)
	pools := must(admin.Jobservice.GetWorkerPools(ctx, &jobservice.GetWorkerPoolsParams{})).Payload
	check(len(pools) == 1, pools)
	workers := must(admin.Jobservice.GetWorkers(ctx,
		&jobservice.GetWorkersParams{PoolID: pools[0].WorkerPoolID})).Payload
	check(int64(len(workers)) == pools[0].Concurrency, workers)
}

// executed runs the policy, and looks at all that is told of it.
func executed(admin *client.HarborAPI, policy int64) {
	id := idIn(must(admin.Replication.StartReplication(ctx, &replication.StartReplicationParams{
		Execution: &models.StartReplicationExecution{PolicyID: policy},
	})).Location)
	get := &replication.GetReplicationExecutionParams{ID: id}
	execution := must(admin.Replication.GetReplicationExecution(ctx, get)).Payload
	for deadline := time.Now().Add(time.Minute); execution.Status == "InProgress"; {
		check(time.Now().Before(deadline), execution)
		time.Sleep(100 * time.Millisecond)
		execution = must(admin.Replication.GetReplicationExecution(ctx, get)).Payload
	}
	check(execution.Status == "Succeed" && execution.Total == 1 && execution.Succeed == 1, execution)
	executions := must(admin.Replication.ListReplicationExecutions(ctx,
		&replication.ListReplicationExecutionsParams{PolicyID: &policy, Status: the("Succeed")}))
	check(executions.XTotalCount == 1 && executions.Payload[0].Trigger == "manual", executions)
	tasks := must(admin.Replication.ListReplicationTasks(ctx,
		&replication.ListReplicationTasksParams{ID: id})).Payload
	check(len(tasks) == 1 && tasks[0].SrcResource == "library/x" && tasks[0].Status == "Succeed", tasks)
	check(tasks[0].DstResource == "copies/x" && tasks[0].Operation == "copy", tasks)
	told := must(admin.Replication.GetReplicationLog(ctx,
		&replication.GetReplicationLogParams{ID: id, TaskID: tasks[0].ID})).Payload
	check(strings.Contains(told, "succeeded"), told)
	worked := must(admin.Jobservice.ActionGetJobLog(ctx,
		&jobservice.ActionGetJobLogParams{JobID: tasks[0].JobID})).Payload
	check(worked == told, worked)
	must(admin.Jobservice.StopRunningJob(ctx, &jobservice.StopRunningJobParams{JobID: tasks[0].JobID}))
	must(admin.Replication.StopReplication(ctx, &replication.StopReplicationParams{ID: id}))
	copied := must(admin.Repository.GetRepository(ctx,
		&repository.GetRepositoryParams{ProjectName: "copies", RepositoryName: "x"})).Payload
	check(copied.ArtifactCount == 1, copied)
}
