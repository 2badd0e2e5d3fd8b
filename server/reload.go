package server

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"kenserve/server/internal/openapi"
)

// rules are the options that [Server.Reload] replaces. They are one value that never
// changes, so that a request sees all of the old ones or all of the new ones.
type rules struct {
	keys    keys
	hosts   allowedHosts
	origins []string                    // of Options.CORSOrigins
	pages   *http.CrossOriginProtection // nil: pages of any origin may send anything
	tls     *tls.Config                 // nil: connections are not encrypted

	openAPIJSON func() ([]byte, error) // generated once
	docsPage    func() ([]byte, error)
}

// newRules returns the rules of the options, which it checks.
func (s *Server) newRules(o Options) (*rules, error) {
	r, err := o.rules()
	if err != nil {
		return nil, err
	}
	source := openapi.Source{Table: s.table, Limits: s.core.Limits, About: s.core.About, NeedsKey: len(r.keys.use) > 0}
	r.openAPIJSON = sync.OnceValues(func() ([]byte, error) { return json.Marshal(source.Document()) })
	r.docsPage = sync.OnceValues(source.Page)
	return r, nil
}

// rules returns the rules of the options, without the documents.
func (o *Options) rules() (*rules, error) {
	r := &rules{origins: o.CORSOrigins, tls: o.TLS}
	var err error
	if r.keys, err = newKeys(o.APIKeys, o.AdminKeys); err != nil {
		return nil, err
	}
	if r.hosts, err = newAllowedHosts(o.AllowedHosts); err != nil {
		return nil, err
	}
	if err := checkOrigins(o.CORSOrigins); err != nil {
		return nil, err
	}
	if r.pages, err = newProtection(o.CORSOrigins); err != nil {
		return nil, err
	}
	return r, nil
}

// Reload replaces keys, host names, origins and the certificate by those of the
// options that load returns, at once and without an effect on requests under way.
// Other options do not change. If load fails or an option is not valid, everything
// stays as it is; the failure is logged and counted.
func (s *Server) Reload(load func() (Options, error)) error {
	next, err := func() (*rules, error) {
		o, err := load()
		if err != nil {
			return nil, err
		}
		if (o.TLS == nil) != (s.options.TLS == nil) {
			return nil, errors.New("server: TLS can be turned on and off only by a restart")
		}
		return s.newRules(o)
	}()
	if err != nil {
		s.ReloadFailed("configuration", err)
		return err
	}
	s.rules.Store(next)
	s.metrics.reloads.WithLabelValues("done").Inc()
	return nil
}

// ReloadFailed logs and counts that a new version of something could not be read, and
// that the old one stays in use.
func (s *Server) ReloadFailed(what string, err error) {
	s.metrics.reloads.WithLabelValues("failed").Inc()
	s.options.Logger.Error("not reloaded, the old one stays in use", slog.String("what", what), slog.Any("error", err))
}

// tlsConfig returns the configuration of a listener whose connections speak one of
// the protocols. Each connection gets the certificate that is current then.
func (s *Server) tlsConfig(protocols ...string) *tls.Config {
	c := s.options.TLS.Clone()
	c.NextProtos = protocols
	if c.GetCertificate != nil {
		c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.rules.Load().tls.GetCertificate(hello)
		}
	}
	return c
}
