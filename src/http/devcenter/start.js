// Runs in the browser. Who is signed in by a session needs the token of the last answer for the next change.
const TOKEN_HEADER = 'X-Harbor-CSRF-Token';
let token;

show('#harbor', '/swagger.json');
show('#portolan', '/api/portolan/v1/openapi.json');

function show(place, url) {
  globalThis.SwaggerUIBundle({
    url,
    dom_id: place,
    deepLinking: true,
    // It would send the document to its makers.
    validatorUrl: null,
    requestInterceptor(request) {
      if (token !== undefined) request.headers[TOKEN_HEADER] = token;
      return request;
    },
    responseInterceptor(response) {
      token = response.headers?.[TOKEN_HEADER.toLowerCase()] ?? token;
      return response;
    },
  });
}
