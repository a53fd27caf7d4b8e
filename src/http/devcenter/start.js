// Runs in the browser. Who is signed in by a session needs the token of the last answer for the next change.
const TOKEN_HEADER = 'X-Harbor-CSRF-Token';
let token;

globalThis.SwaggerUIBundle({
  url: '/swagger.json',
  dom_id: '#swagger-ui',
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
