package server

import "net/http"

// What every answer tells a browser: it is what its type says, nobody stores it,
// shows it inside a page of theirs, or runs anything from it. A page brings a
// policy of its own.
var (
	noSniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	noReferrer = []string{"no-referrer"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
)

func secure(h http.Header) {
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	h["Referrer-Policy"] = noReferrer
	h["Content-Security-Policy"] = noContent
}
