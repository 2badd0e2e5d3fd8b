package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
)

// Progress is called while [Client.Pull] downloads: done of the size bytes of the file
// name are in the cache.
type Progress func(name string, done, size int64)

// Pull downloads the files of a model that kenserve reads, if they are not in the cache:
// configuration, tokenizer, and weights in safetensors files. It returns the folder of
// the snapshot. An interrupted pull resumes where it stopped. progress may be nil.
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
	// The snapshot is complete only now, so Find must not see the revision earlier.
	if err := c.setRef(m, at); err != nil {
		return "", err
	}
	return filepath.Join(c.modelFolder(m), "snapshots", at), nil
}

// maxAnswer bounds the hub's answers other than files, in bytes.
const maxAnswer = 16 << 20

// list returns the commit of the model's revision and the names of its files.
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
			return fmt.Errorf("the hub's list of files is longer than %d bytes", maxAnswer)
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Errorf("the hub's list of files is not valid JSON: %w", err)
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	if !commitPattern.MatchString(answer.SHA) {
		return "", nil, fmt.Errorf("the hub gives %.60q for its commit, want 40 hexadecimal digits", answer.SHA)
	}
	names := make([]string, len(answer.Siblings))
	for i, s := range answer.Siblings {
		names[i] = s.Name
	}
	return answer.SHA, names, nil
}
