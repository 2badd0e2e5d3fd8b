package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder returns the model's folder in the cache.
func (c *Client) modelFolder(m Model) string {
	return filepath.Join(c.cache, "models--"+strings.ReplaceAll(m.id, "/", "--"))
}

// Find returns the folder of a model in the cache: a snapshot at the commit that its revision was at
// when it was last fetched. The error of one that is not there wraps ErrNotCached.
func (c *Client) Find(m Model) (string, error) {
	at := m.revision
	if !commitPattern.MatchString(at) {
		ref, err := os.ReadFile(filepath.Join(c.modelFolder(m), "refs", filepath.FromSlash(m.revision)))
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("hub: %s: %w", m, ErrNotCached)
		}
		if err != nil {
			return "", fmt.Errorf("hub: %s: %w", m, err)
		}
		if at = strings.TrimSpace(string(ref)); !commitPattern.MatchString(at) {
			return "", fmt.Errorf("hub: %s: the cache has %.60q for its commit", m, at)
		}
	}
	dir := filepath.Join(c.modelFolder(m), "snapshots", at)
	// A snapshot may hold what another program wanted of the model, and no more.
	if _, err := os.Stat(filepath.Join(dir, "config.json")); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("hub: %s: %w", m, ErrNotCached)
	} else if err != nil {
		return "", fmt.Errorf("hub: %s: %w", m, err)
	}
	return dir, nil
}

// link makes the snapshot's name for a blob. Where links cannot be made it is a copy.
func (c *Client) linkBlob(m Model, at, name, etag string) error {
	path := filepath.Join(c.modelFolder(m), "snapshots", at, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	blob := filepath.Join(c.modelFolder(m), "blobs", etag)
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	// Made under another name and renamed, it replaces what may be there in one step.
	temporary := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	defer os.Remove(temporary)
	if err := os.Symlink(target, temporary); err != nil {
		data, err := os.ReadFile(blob)
		if err != nil {
			return err
		}
		if err := os.WriteFile(temporary, data, 0o644); err != nil {
			return err
		}
	}
	return os.Rename(temporary, path)
}

// setRef records the commit that a revision is at.
func (c *Client) setRef(m Model, at string) error {
	if m.revision == at {
		return nil
	}
	path := filepath.Join(c.modelFolder(m), "refs", filepath.FromSlash(m.revision))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	defer os.Remove(temporary)
	if err := os.WriteFile(temporary, []byte(at), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
