package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// LoadTLS makes a configuration from PEM files of a certificate chain and its
// key. When the files change, new connections get the new certificate; as long
// as the new files do not fit together, as in the middle of their replacement,
// they get the old one.
func LoadTLS(certFile, keyFile string) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("server: TLS: %w", err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil },
	}, nil
}

// certificateAge is for how long the files are not looked at again.
const certificateAge = time.Second

type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	pair    *tls.Certificate
	looked  time.Time
	version [2]fileVersion // of the files that pair was read from
}

type fileVersion struct {
	time time.Time
	size int64
}

// current returns the certificate of the files as they are, or the last one
// that could be read.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) >= certificateAge {
		_ = c.load() // the old one goes on
	}
	return c.pair
}

func (c *certificate) load() error {
	c.looked = time.Now()
	var version [2]fileVersion
	var errs []error
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		version[i] = fileVersion{info.ModTime(), info.Size()}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if c.pair != nil && version == c.version {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair, c.version = &pair, version
	return nil
}
