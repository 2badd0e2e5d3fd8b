// Package http3 replaces github.com/quic-go/quic-go/http3, which gin imports for its
// method RunQUIC. kenserve listens on TCP alone. The real package and those below it
// take a thirtieth of the processor time of a build. go.mod replaces the module with
// this one, which declares the name that gin uses; it returns an error.
//
// If a new version of gin needs another name, the build fails and reports it.
package http3

import (
	"errors"
	"net/http"
)

// ListenAndServeQUIC returns an error.
func ListenAndServeQUIC(addr, certFile, keyFile string, handler http.Handler) error {
	return errors.New("HTTP/3 is not supported: this build replaces github.com/quic-go/quic-go")
}
