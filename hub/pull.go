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
