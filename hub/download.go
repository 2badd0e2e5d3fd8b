package hub

import (
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// A blob is what the hub says of a file.
type blob struct {
	etag string
	size int64
}

// file brings one file of a model into the cache, if it is not there, and links it.
func (c *Client) fetchFile(ctx context.Context, m Model, at, name string, progress Progress) error {
	address := c.endpoint + "/" + m.id + "/resolve/" + at + "/" + url.PathEscape(name)
	b, err := c.stat(ctx, address)
	if err != nil {
		return err
	}
	blobs := filepath.Join(c.modelFolder(m), "blobs")
	locks := filepath.Join(c.cache, ".locks", filepath.Base(c.modelFolder(m)))
	for _, dir := range []string{blobs, locks} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	lock := flock.New(filepath.Join(locks, b.etag+".lock"))
	if _, err := lock.TryLockContext(ctx, 100*time.Millisecond); err != nil {
		return fmt.Errorf("wait for its lock: %w", err)
	}
	defer lock.Unlock()

	path := filepath.Join(blobs, b.etag)
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() == b.size:
	case err == nil || errors.Is(err, fs.ErrNotExist):
		if err := c.download(ctx, address, name, path, b, progress); err != nil {
			return err
		}
	default:
		return err
	}
	progress(name, b.size, b.size)
	return c.linkBlob(m, at, name, b.etag)
}

// stat asks for a file's ETag and size.
func (c *Client) stat(ctx context.Context, address string) (blob, error) {
	var b blob
	err := c.retry(ctx, func() error {
		response, err := c.do(ctx, http.MethodHead, address, nil)
		if err != nil {
			return err
		}
		response.Body.Close()
		h := response.Header
		etag := cmp.Or(h.Get("X-Linked-Etag"), h.Get("Etag"))
		b.etag = strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
		if !sha1Pattern.MatchString(b.etag) && !sha256Pattern.MatchString(b.etag) {
			return fmt.Errorf("the hub gives %.80q for its ETag, which is no digest", etag)
		}
		size := cmp.Or(h.Get("X-Linked-Size"), h.Get("Content-Length"))
		if b.size, err = strconv.ParseInt(size, 10, 64); err != nil || b.size < 0 {
			return fmt.Errorf("the hub gives %.40q for its size", size)
		}
		return nil
	})
	return b, err
}

// digest returns a hash that names a blob when it has read all of it: that of git for an ETag of
// SHA-1.
func (b blob) digest() hash.Hash {
	if len(b.etag) == 2*sha256.Size {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", b.size)
	return h
}

// An arrival is a blob on its way: what is there of it, and that part's hash.
type partialBlob struct {
	blob
	file     *os.File
	hash     hash.Hash
	received int64
}

// download fetches a blob to path, by way of path.incomplete, whose content it keeps.
func (c *Client) download(ctx context.Context, address, name, path string, b blob, progress Progress) error {
	file, err := os.OpenFile(path+".incomplete", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	a := &partialBlob{blob: b, file: file, hash: b.digest()}
	if a.received, err = io.Copy(a.hash, io.LimitReader(file, b.size+1)); err != nil {
		return err
	}
	if a.received > b.size {
		if err := a.restart(); err != nil {
			return err
		}
	}
	tell := func() { progress(name, a.received, a.size) }
	for tries := 0; a.received < a.size; {
		before := a.received
		err := c.fetchRest(ctx, address, a, tell)
		if err == nil {
			break
		}
		if a.received > before {
			tries = 0
		}
		if tries++; tries == attempts || !errors.As(err, new(temporaryError)) || ctx.Err() != nil {
			return fmt.Errorf("after %d of %d bytes, which are kept: %w", a.received, a.size, err)
		}
		select {
		case <-time.After(firstPause << (tries - 1)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if got := hex.EncodeToString(a.hash.Sum(nil)); got != b.etag {
		// Nothing of it can be trusted.
		return errors.Join(fmt.Errorf("%w: it has %s, the hub says %s", errDigest, got, b.etag), os.Remove(file.Name()))
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// restart forgets what has arrived.
func (a *partialBlob) restart() error {
	a.hash, a.received = a.digest(), 0
	if err := a.file.Truncate(0); err != nil {
		return err
	}
	_, err := a.file.Seek(0, io.SeekStart)
	return err
}

// fetch asks for what is missing and appends what comes, until nothing is missing.
func (c *Client) fetchRest(ctx context.Context, address string, a *partialBlob, tell func()) error {
	header := http.Header{}
	if a.received > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", a.received))
	}
	response, err := c.do(ctx, http.MethodGet, address, header)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if a.received > 0 {
		want, got := fmt.Sprintf("bytes %d-", a.received), response.Header.Get("Content-Range")
		part := response.StatusCode == http.StatusPartialContent
		if !part || !strings.HasPrefix(got, want) {
			// All of it comes, or another part.
			if err := a.restart(); err != nil {
				return err
			}
			if part {
				return temporaryError{fmt.Errorf("the hub sends %q where %q was asked for", got, want)}
			}
		}
	}
	buffer := make([]byte, 1<<20)
	for a.received < a.size {
		n, err := response.Body.Read(buffer[:min(int64(len(buffer)), a.size-a.received)])
		if n > 0 {
			if _, err := a.file.Write(buffer[:n]); err != nil {
				return err
			}
			a.hash.Write(buffer[:n])
			a.received += int64(n)
			tell()
		}
		if err == io.EOF && a.received < a.size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return temporaryError{err}
		}
	}
	return nil
}
