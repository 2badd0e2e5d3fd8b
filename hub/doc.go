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
	errDenied = errors.New("access denied")
	// ErrNotFound is wrapped where the hub has no such model or revision, or does not show it
	// without a token.
	errNotFound = errors.New("no such model or revision")
	// ErrDigest is wrapped where what arrived is not what the hub says it is.
	errDigest = errors.New("wrong digest")
)

// A Model names a model of the hub at a revision.
type Model struct {
	id       string // ORG/NAME, or NAME of a few old ones
	revision string // branch, tag or commit
}

var (
	modelPattern    = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}$`)
	revisionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)
	commitPattern   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha1Pattern     = commitPattern
	sha256Pattern   = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ParseModel reads ORG/NAME or ORG/NAME@REVISION; without a revision it is main.
func ParseModel(s string) (Model, error) {
	m := Model{id: s, revision: "main"}
	if id, rev, ok := strings.Cut(s, "@"); ok {
		m = Model{id, rev}
	}
	// These would mean something in a path or in the cache's folder names.
	if !modelPattern.MatchString(m.id) || strings.Contains(m.id, "..") || strings.Contains(m.id, "--") {
		return Model{}, fmt.Errorf("hub: %q is no model's name, such as org/name or org/name@revision", s)
	}
	if !revisionPattern.MatchString(m.revision) || len(m.revision) > 255 || strings.Contains(m.revision, "..") {
		return Model{}, fmt.Errorf("hub: %s: %q is no revision", m.id, m.revision)
	}
	return m, nil
}

func (m Model) String() string { return m.id + "@" + m.revision }

// Client is a hub and a cache. The zero value is not usable; see [FromEnvironment].
type Client struct {
	endpoint string // such as https://huggingface.co, without a slash at the end
	cache    string // the cache's folder
	token    string // sent to the endpoint's host only; may be empty
	http     *http.Client
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
		endpoint: strings.TrimRight(cmp.Or(os.Getenv("HF_ENDPOINT"), "https://huggingface.co"), "/"),
		cache:    cmp.Or(os.Getenv("HF_HUB_CACHE"), filepath.Join(home, "hub")),
		token:    cmp.Or(os.Getenv("HF_TOKEN"), os.Getenv("HUGGING_FACE_HUB_TOKEN")),
		http:     http.DefaultClient,
	}
	if c.token == "" {
		// No file is no token.
		if token, err := os.ReadFile(cmp.Or(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token"))); err == nil {
			c.token = strings.TrimSpace(string(token))
		}
	}
	return c, nil
}
