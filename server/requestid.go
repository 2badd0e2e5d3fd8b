package server

import (
	"math/rand/v2"
	"net/http"
	"strings"
)

// requestID returns the client's x-request-id if it is safe in headers and logs, and
// a random id otherwise.
func requestID(h http.Header) string {
	if v := h["X-Request-Id"]; len(v) == 1 && validRequestID(v[0]) {
		return v[0]
	}
	const digits = "0123456789abcdef"
	var b [32]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 16 {
		b[i], b[16+i] = digits[hi&15], digits[lo&15]
		hi, lo = hi>>4, lo>>4
	}
	return string(b[:])
}

// validRequestID tells whether an id has 1 to 128 characters, all of them of the kinds
// that common proxies use in ids.
func validRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("-_.:=+/@", c) >= 0:
		default:
			return false
		}
	}
	return true
}
