package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Progress is told of a pull: name has done bytes of size.
type Progress func(name string, done, size int64)

// Pull fetches what kenserve reads of a model, unless the cache has it: its configuration, its
// tokenizer and its weights in safetensors files. It returns the snapshot's folder. A pull that was
// interrupted goes on where it stopped.
func (c *Client) Pull(ctx context.Context, m Model, progress Progress) (string, error) {
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	dir, err := c.pull(ctx, m, progress)
	if err != nil {
		return "", fmt.Errorf("hub: pull %s: %w", m, err)
	}
	return dir, nil
}

func (c *Client) pull(ctx context.Context, m Model, progress Progress) (string, error) {
	at, names, err := c.list(ctx, m)
	if err != nil {
		return "", err
	}
	names, err = c.filesToFetch(names)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if err := c.fetchFile(ctx, m, at, name, progress); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	// Only now is the snapshot complete, and may be found.
	if err := c.setRef(m, at); err != nil {
		return "", err
	}
	return filepath.Join(c.modelFolder(m), "snapshots", at), nil
}

// maxAnswer bounds the hub's answers that are not files.
const maxAnswer = 16 << 20

// list returns the commit that the model's revision is at and its files.
func (c *Client) list(ctx context.Context, m Model) (string, []string, error) {
	address := c.endpoint + "/api/models/" + m.id + "/revision/" + url.PathEscape(m.revision)
	var answer struct {
		SHA      string
		Siblings []struct {
			Name string `json:"rfilename"`
		}
	}
	err := c.retry(ctx, func() error {
		response, err := c.do(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
		if err != nil {
			return temporaryError{err}
		}
		if len(body) > maxAnswer {
			return fmt.Errorf("the list of files has more than %d bytes", maxAnswer)
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("the list of files is not JSON: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	if !commitPattern.MatchString(answer.SHA) {
		return "", nil, fmt.Errorf("the hub gives %.60q for its commit", answer.SHA)
	}
	names := make([]string, len(answer.Siblings))
	for i, s := range answer.Siblings {
		names[i] = s.Name
	}
	return answer.SHA, names, nil
}

// plain are the files beside the weights that kenserve reads, where they are.
var plainFiles = []string{
	"config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
	"vocab.txt", "vocab.json", "merges.txt", "spm.model", "sentencepiece.bpe.model",
}

const (
	weightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json"
)

var shardPattern = regexp.MustCompile(`^model-[0-9]{5}-of-[0-9]{5}\.safetensors$`)

// wanted returns those of a model's files that are to be fetched.
func (c *Client) filesToFetch(names []string) ([]string, error) {
	if !slices.Contains(names, "config.json") {
		return nil, errors.New("it has no config.json")
	}
	var list []string
	for _, name := range plainFiles {
		if slices.Contains(names, name) {
			list = append(list, name)
		}
	}
	switch {
	case slices.Contains(names, weightsFile):
		return append(list, weightsFile), nil
	case slices.Contains(names, indexFile):
		list = append(list, indexFile)
		for _, name := range names {
			if shardPattern.MatchString(name) {
				list = append(list, name)
			}
		}
		return list, nil
	case slices.ContainsFunc(names, func(name string) bool { return path.Ext(name) == ".bin" }):
		return nil, errors.New("it has its weights in pickled files (.bin) only; convert them to safetensors first, as transformers' save_pretrained does")
	}
	return nil, errors.New("it has no weights in safetensors files")
}

// passing marks an error that may not be there on another try.
type temporaryError struct{ error }

func (p temporaryError) Unwrap() error { return p.error }

// attempts is how often something is tried before its error counts, in a row without progress.
const attempts = 5

// firstPause is the time before the second try; it doubles from try to try.
var firstPause = 500 * time.Millisecond

// retry calls do until it succeeds, fails for good, or has been tried often enough.
func (c *Client) retry(ctx context.Context, do func() error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == attempts || !errors.As(err, new(temporaryError)) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
		pause *= 2
	}
}

// do sends a request. An answer that is not 2xx, or a redirection of a HEAD to another host, is an
// error. The token goes to the endpoint only.
func (c *Client) do(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("User-Agent", "kenserve")
	request.Header.Set("Accept-Encoding", "identity") // sizes and digests are those of the file itself
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	client := *c.http
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= 10:
			return errors.New("too many redirections")
		case next.URL.Host == request.URL.Host:
			return nil
		case method == http.MethodHead:
			// The headers that matter are the hub's own, not those of where the file lies.
			return http.ErrUseLastResponse
		}
		next.Header.Del("Authorization") // net/http would send it to another port of the same host
		return nil
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, temporaryError{err}
	}
	if response.StatusCode/100 == 2 || method == http.MethodHead && response.StatusCode/100 == 3 {
		return response, nil
	}
	response.Body.Close()
	return nil, statusError(response, c.token != "")
}

func statusError(r *http.Response, token bool) error {
	hint := "set HF_TOKEN to a token that may read it"
	if token {
		hint = "the token may not read it"
	}
	switch {
	case r.StatusCode == http.StatusUnauthorized && r.Header.Get("X-Error-Code") == "RepoNotFound", r.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: the hub answers %s (if it is private, %s)", errNotFound, r.Status, hint)
	case r.StatusCode == http.StatusUnauthorized, r.StatusCode == http.StatusForbidden:
		reason := strings.TrimSpace(r.Header.Get("X-Error-Message"))
		if len(reason) > 200 {
			reason = reason[:200]
		}
		if reason != "" {
			reason = ": " + reason
		}
		return fmt.Errorf("%w: the hub answers %s%s (%s)", errDenied, r.Status, reason, hint)
	case r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500:
		return temporaryError{fmt.Errorf("the hub answers %s", r.Status)}
	}
	return fmt.Errorf("the hub answers %s", r.Status)
}
