// Walks the management API with Harbor's own Go SDK, create to delete, and checks what comes back.
//
// Run by test/interop/go-client.test.ts against a node of its own: HARBOR_URL, HARBOR_PASSWORD and UPSTREAM_URL, which is
// a registry. `local/app:1` is there before, an image on which something hangs.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/goharbor/go-client/pkg/harbor"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client"
)

const password = "Passw0rd1"

var ctx = context.Background()

func main() {
	log.SetFlags(log.Lshortfile)
	admin := clientOf("admin", os.Getenv("HARBOR_PASSWORD"))
	ann := users(admin)
	ops := groups(admin)
	works := projects(admin)
	members(admin, ops)
	robots(admin, works)
	repositories(admin, works)
	labels(admin, works)
	immutableRules(admin)
	registries(admin)
	vendors(admin)
	replications(admin)
	nodeWide(admin)
	cleaning(admin, ann, ops)
}

func clientOf(username, secret string) *client.HarborAPI {
	set, err := harbor.NewClientSet(&harbor.ClientSetConfig{
		URL: os.Getenv("HARBOR_URL"), Username: username, Password: secret,
	})
	return must(set, err).V2()
}

// must is the answer of an operation that has to succeed.
func must[T any](answer T, err error) T {
	if err != nil {
		_ = log.Output(2, err.Error())
		os.Exit(1)
	}
	return answer
}

// refused says that an operation has to be refused with an error of this type.
func refused[E error, T any](_ T, err error) {
	if _, ok := err.(E); !ok {
		var wanted E
		_ = log.Output(2, fmt.Sprintf("%T %v, and not %T", err, err, wanted))
		os.Exit(1)
	}
}

// check says what has to hold.
func check(holds bool, seen ...any) {
	if !holds {
		_ = log.Output(2, fmt.Sprintf("%+v", seen))
		os.Exit(1)
	}
}

func idIn(location string) int64 {
	return must(strconv.ParseInt(location[strings.LastIndex(location, "/")+1:], 10, 64))
}

func the[T any](value T) *T { return &value }
