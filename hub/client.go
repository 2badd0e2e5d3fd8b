package hub

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Client downloads from a hub into a cache. Make one with [FromEnvironment].
type Client struct {
	endpoint string // such as https://huggingface.co, without a trailing slash
	cache    string // folder of the cache
	token    string // sent only to the endpoint's host; may be empty
	http     *http.Client
}

// FromEnvironment returns a client configured by the environment variables that Hugging
// Face's libraries read: HF_ENDPOINT, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_TOKEN,
// HUGGING_FACE_HUB_TOKEN and HF_TOKEN_PATH. It fails if no variable names the cache and
// the user has no home folder.
func FromEnvironment() (*Client, error) {
	home := os.Getenv("HF_HOME")
	if home == "" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("hub: find the cache: set HF_HOME, or HOME: %w", err)
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
		// A missing file means that there is no token.
		if token, err := os.ReadFile(cmp.Or(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token"))); err == nil {
			c.token = strings.TrimSpace(string(token))
		}
	}
	return c, nil
}
