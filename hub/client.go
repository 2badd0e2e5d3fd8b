package hub

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

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
