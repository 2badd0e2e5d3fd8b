// Package hub fetches models from the Hugging Face Hub, or any server that speaks its API, into the
// cache that Hugging Face's own libraries use, so that what one has fetched the others find.
//
// # The cache
//
// Under the cache's folder ($HF_HUB_CACHE, or hub in $HF_HOME, or ~/.cache/huggingface/hub) each
// model has a folder:
//
//	models--ORG--NAME/
//	    blobs/ETAG                the files' contents, each named after the ETag that the hub gives it:
//	                              its SHA-256, or for small files the SHA-1 that git gives it
//	    blobs/ETAG.incomplete     as much as has arrived of one
//	    snapshots/COMMIT/FILE     links to ../../blobs/ETAG
//	    refs/REVISION             the commit that a branch or tag was at when it was last asked for
//	.locks/models--ORG--NAME/ETAG.lock
//
// A file gets its name in blobs only when it is complete and its digest is the one that names it.
// While it is fetched its lock is held, as by the other libraries.
package hub

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Errors that a caller may have to tell apart.
var (
	// ErrNotCached is wrapped by the error of a model that the cache does not have.
	ErrNotCached = errors.New("not in the cache")
	// ErrDenied is wrapped where the hub wants a token, or another one.
	ErrDenied = errors.New("access denied")
	// ErrNotFound is wrapped where the hub has no such model or revision, or does not show it
	// without a token.
	ErrNotFound = errors.New("no such model or revision")
	// ErrDigest is wrapped where what arrived is not what the hub says it is.
	ErrDigest = errors.New("wrong digest")
)

// A Model names a model of the hub at a revision.
type Model struct {
	ID       string // ORG/NAME, or NAME of a few old ones
	Revision string // branch, tag or commit
}

var (
	modelID   = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	revision  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)
	commit    = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha1Hex   = commit
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseModel reads ORG/NAME or ORG/NAME@REVISION; without a revision it is main.
func ParseModel(s string) (Model, error) {
	m := Model{ID: s, Revision: "main"}
	if id, rev, ok := strings.Cut(s, "@"); ok {
		m = Model{id, rev}
	}
	// These would mean something in a path or in the cache's folder names.
	if !modelID.MatchString(m.ID) || strings.Contains(m.ID, "..") || strings.Contains(m.ID, "--") {
		return Model{}, fmt.Errorf("hub: %q is no model's name, such as org/name or org/name@revision", s)
	}
	if !revision.MatchString(m.Revision) || len(m.Revision) > 255 || strings.Contains(m.Revision, "..") {
		return Model{}, fmt.Errorf("hub: %s: %q is no revision", m.ID, m.Revision)
	}
	return m, nil
}

func (m Model) String() string { return m.ID + "@" + m.Revision }

// Client is a hub and a cache. The zero value is not usable; see [FromEnvironment].
type Client struct {
	Endpoint string // such as https://huggingface.co, without a slash at the end
	Cache    string // the cache's folder
	Token    string // sent to the endpoint's host only; may be empty
	HTTP     *http.Client
}

// FromEnvironment returns the client that the variables which Hugging Face's libraries read ask for:
// HF_ENDPOINT, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_TOKEN, HF_TOKEN_PATH.
func FromEnvironment() (*Client, error) {
	home := os.Getenv("HF_HOME")
	if home == "" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("hub: neither HF_HOME nor a home folder: %w", err)
			}
			cache = filepath.Join(user, ".cache")
		}
		home = filepath.Join(cache, "huggingface")
	}
	c := &Client{
		Endpoint: strings.TrimRight(cmp.Or(os.Getenv("HF_ENDPOINT"), "https://huggingface.co"), "/"),
		Cache:    cmp.Or(os.Getenv("HF_HUB_CACHE"), filepath.Join(home, "hub")),
		Token:    cmp.Or(os.Getenv("HF_TOKEN"), os.Getenv("HUGGING_FACE_HUB_TOKEN")),
		HTTP:     http.DefaultClient,
	}
	if c.Token == "" {
		// No file is no token.
		if token, err := os.ReadFile(cmp.Or(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token"))); err == nil {
			c.Token = strings.TrimSpace(string(token))
		}
	}
	return c, nil
}
