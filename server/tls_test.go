package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

// pair is a self-signed certificate for the loopback address.
type pair struct {
	cert, key       string // files
	certPEM, keyPEM []byte
}

func newPair(t *testing.T, name string) *pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &pair{
		cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}),
	}
	p.write(t, p.cert, p.certPEM)
	p.write(t, p.key, p.keyPEM)
	return p
}

func (p *pair) write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// client is a client's configuration that trusts the pair.
func (p *pair) client() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.certPEM)
	return &tls.Config{RootCAs: roots}
}

func TestServeTLS(t *testing.T) {
	p := newPair(t, "first")
	config, err := LoadTLS(p.cert, p.key, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, newServer(t, servertest.NewEngine(), Options{TLS: config}))
	url := "https" + strings.TrimPrefix(r.url, "http")
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: p.client(), ForceAttemptHTTP2: http2}
		resp, err := (&http.Client{Transport: transport}).Get(url + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || resp.ProtoMajor != map[bool]int{false: 1, true: 2}[http2] {
			t.Errorf("status %d by %s", resp.StatusCode, resp.Proto)
		}
		resp.Body.Close()
		transport.CloseIdleConnections()
	}
	old := p.client()
	old.MaxVersion = tls.VersionTLS11
	if c, err := tls.Dial("tcp", r.ln.Addr().String(), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is accepted")
	}
	if status, _, err := get(r.client, r.url+"/healthz"); err == nil && status == 200 {
		t.Error("answered without TLS")
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// New files are loaded. While they do not match, the old certificate stays.
func TestLoadTLSAgain(t *testing.T) {
	p, next := newPair(t, "first"), newPair(t, "second")
	c := &certificate{certFile: p.cert, keyFile: p.key}
	if err := c.loadLocked(); err != nil {
		t.Fatal(err)
	}
	name := func() string {
		c.checked = time.Time{}
		return c.current().Leaf.Subject.CommonName
	}
	later := func(file string) {
		if err := os.Chtimes(file, time.Now(), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if got := name(); got != "first" {
		t.Errorf("at first: %s", got)
	}
	p.write(t, p.cert, next.certPEM)
	later(p.cert)
	if got := name(); got != "first" {
		t.Errorf("with one new file: %s", got)
	}
	p.write(t, p.key, next.keyPEM)
	later(p.key)
	if got := name(); got != "second" {
		t.Errorf("with both new files: %s", got)
	}
	if err := os.Remove(p.key); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "second" {
		t.Errorf("without a key: %s", got)
	}
}

func TestLoadTLSErrors(t *testing.T) {
	p, other := newPair(t, "first"), newPair(t, "second")
	for name, files := range map[string][2]string{
		"no certificate":     {p.cert + "x", p.key},
		"no key":             {p.cert, p.key + "x"},
		"swapped":            {p.key, p.cert},
		"of different pairs": {p.cert, other.key},
	} {
		if _, err := LoadTLS(files[0], files[1], nil); err == nil || !strings.HasPrefix(err.Error(), "server: TLS: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
