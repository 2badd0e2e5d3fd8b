package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kenserve/internal/regular"
)

// maxRef bounds a file with the commit of a revision, in bytes.
const maxRef = 1 << 10

// modelFolder returns the folder of a model in the cache.
func (c *Client) modelFolder(m Model) string {
	return filepath.Join(c.cache, "models--"+strings.ReplaceAll(m.id, "/", "--"))
}

// Find returns the folder of a model in the cache: the snapshot of the commit that its
// revision had when it was last downloaded. The error wraps [ErrNotCached] if the model is
// not in the cache. Find sends no request.
func (c *Client) Find(m Model) (string, error) {
	at := m.revision
	if !commitPattern.MatchString(at) {
		ref, err := regular.Read(filepath.Join(c.modelFolder(m), "refs", filepath.FromSlash(m.revision)), maxRef)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("hub: %s: %w", m, ErrNotCached)
		}
		if err != nil {
			return "", fmt.Errorf("hub: %s: %w", m, err)
		}
		if at = strings.TrimSpace(string(ref)); !commitPattern.MatchString(at) {
			return "", fmt.Errorf("hub: %s: the cache has the commit %.60q, want 40 hexadecimal digits", m, at)
		}
	}
	dir := filepath.Join(c.modelFolder(m), "snapshots", at)
	// Another program may have downloaded only other files of the model.
	if _, err := os.Stat(filepath.Join(dir, "config.json")); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("hub: %s: %w", m, ErrNotCached)
	} else if err != nil {
		return "", fmt.Errorf("hub: %s: %w", m, err)
	}
	return dir, nil
}

// linkBlob links a blob into the snapshot of the commit at, under the file's name. On
// file systems without symbolic links it copies the blob.
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
	// The link is made under a temporary name and renamed, so that it replaces an existing
	// file in one step.
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

// setRef records the commit of the model's revision.
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
