package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"kenserve/internal/regular"
)

// LoadTLS returns a configuration with the certificate chain and the key of PEM files.
// When the files change, new connections get the new certificate. While the files do
// not match, as in the middle of their replacement, connections get the old one. If
// that lasts, failed is called, once for each reason; it may be nil.
func LoadTLS(certFile, keyFile string, failed func(error)) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, failed: failed}
	if err := c.loadLocked(); err != nil { // nobody else has c yet
		return nil, fmt.Errorf("server: TLS: %w", err)
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil },
	}, nil
}

// certificateCheck is the shortest time between two checks of the files.
const certificateCheck = time.Second

// maxPEM bounds a file with a certificate chain or a key, in bytes.
const maxPEM = 1 << 20

// certificate is the content of two files that may change.
type certificate struct {
	certFile, keyFile string
	failed            func(error) // may be nil

	mu      sync.Mutex
	pair    *tls.Certificate
	checked time.Time
	version [2]fileVersion // of the files from which pair was read
	reason  string         // why the files cannot be read; empty: they can, or it is not known
	told    bool           // failed was called with reason
}

// fileVersion changes when a file does.
type fileVersion struct {
	time time.Time
	size int64
}

// current returns the certificate of the files, or the last one that could be read.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) >= certificateCheck {
		c.noteLocked(c.loadLocked()) // after an error the old one stays
	}
	return c.pair
}

// noteLocked reports an error that the check before had too: the first one may be the
// middle of a replacement.
func (c *certificate) noteLocked(err error) {
	if err == nil {
		c.reason, c.told = "", false
		return
	}
	if err.Error() != c.reason {
		c.reason, c.told = err.Error(), false
		return
	}
	if !c.told && c.failed != nil {
		c.told = true
		c.failed(fmt.Errorf("server: TLS: %w", err))
	}
}

// loadLocked reads the files if they have changed. The caller holds c.mu.
func (c *certificate) loadLocked() error {
	c.checked = time.Now()
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
	// A handshake waits for this: it must not wait for a pipe.
	chain, err := regular.Read(c.certFile, maxPEM)
	if err != nil {
		return err
	}
	key, err := regular.Read(c.keyFile, maxPEM)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return err
	}
	c.pair, c.version = &pair, version
	return nil
}
