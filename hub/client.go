package hub

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Client downloads from a hub into a cache. Make one with [FromEnvironment].
type Client struct {
	endpoint string // such as https://huggingface.co, without a trailing slash
	cache    string // folder of the cache
	token    string // sent only to the endpoint, and only encrypted; may be empty
	plain    bool   // the token is not sent, because the endpoint is not encrypted
	http     *http.Client
	silence  time.Duration // after which an answer that sends nothing is given up
}

// FromEnvironment returns a client configured by the environment variables that Hugging
// Face's libraries read: HF_ENDPOINT, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HF_TOKEN,
// HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH and HF_HUB_DOWNLOAD_TIMEOUT. A token is not sent
// to an endpoint over http, except on this machine. It fails if no variable names the cache and
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
		http:     newHTTPClient(),
		silence:  seconds("HF_HUB_DOWNLOAD_TIMEOUT", defaultSilence),
	}
	if c.token == "" {
		// A missing file means that there is no token.
		if token, err := os.ReadFile(cmp.Or(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token"))); err == nil {
			c.token = strings.TrimSpace(string(token))
		}
	}
	address, err := url.Parse(c.endpoint)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, fmt.Errorf("hub: HF_ENDPOINT is %q; it must be an address such as https://huggingface.co", c.endpoint)
	}
	if c.token != "" && !private(address) {
		c.token, c.plain = "", true
	}
	return c, nil
}
