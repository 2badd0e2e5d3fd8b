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

	"kenserve/internal/regular"
)

// A blob is the digest and size that the hub gives for a file.
type blob struct {
	etag string
	size int64 // in bytes
}

// fetchFile downloads one file of a model into the cache, unless it is there, and links
// it into the snapshot of the commit at.
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
		return fmt.Errorf("wait for the lock of the file: %w", err)
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

// stat asks the hub for the ETag and size of the file at an address.
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
			return fmt.Errorf("the hub gives the ETag %.80q, want a SHA-1 or SHA-256", etag)
		}
		size := cmp.Or(h.Get("X-Linked-Size"), h.Get("Content-Length"))
		if b.size, err = strconv.ParseInt(size, 10, 64); err != nil || b.size < 0 {
			return fmt.Errorf("the hub gives the size %.40q, want a whole number", size)
		}
		return nil
	})
	return b, err
}

// digest returns the hash whose sum over the content is the ETag: SHA-256, or the SHA-1
// of git, which covers a header with the size.
func (b blob) digest() hash.Hash {
	if len(b.etag) == 2*sha256.Size {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", b.size)
	return h
}

// A partialBlob is a blob being downloaded: the file with the bytes received so far and
// their hash.
type partialBlob struct {
	blob
	file     *os.File
	hash     hash.Hash
	received int64
}

// download downloads a blob to path. It appends to path.incomplete, continuing after the
// bytes that are there, and renames it when it is complete and its digest is right.
func (c *Client) download(ctx context.Context, address, name, path string, b blob, progress Progress) error {
	file, err := regular.OpenWrite(path+".incomplete", os.O_RDWR|os.O_CREATE)
	if err != nil {
		return err
	}
	defer file.Close()
	p := &partialBlob{blob: b, file: file, hash: b.digest()}
	if p.received, err = io.Copy(p.hash, io.LimitReader(file, b.size+1)); err != nil {
		return err
	}
	if p.received > b.size {
		if err := p.restart(); err != nil {
			return err
		}
	}
	report := func() { progress(name, p.received, p.size) }
	for tries := 0; p.received < p.size; {
		before := p.received
		err := c.fetchRest(ctx, address, p, report)
		if err == nil {
			break
		}
		if p.received > before {
			tries = 0
		}
		if tries++; tries == attempts || !errors.As(err, new(temporaryError)) || ctx.Err() != nil {
			return fmt.Errorf("stopped after %d of %d bytes, from which another attempt resumes: %w", p.received, p.size, err)
		}
		select {
		case <-time.After(firstPause << (tries - 1)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if got := hex.EncodeToString(p.hash.Sum(nil)); got != b.etag {
		// No part of the content can be trusted.
		return errors.Join(fmt.Errorf("%w: the content has %s, the hub says %s", errDigest, got, b.etag), os.Remove(file.Name()))
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// restart drops the bytes received so far.
func (p *partialBlob) restart() error {
	p.hash, p.received = p.digest(), 0
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	_, err := p.file.Seek(0, io.SeekStart)
	return err
}

// fetchRest requests the missing bytes and appends them to p until the blob is complete.
// report is called after every append.
func (c *Client) fetchRest(ctx context.Context, address string, p *partialBlob, report func()) error {
	header := http.Header{}
	if p.received > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", p.received))
	}
	response, err := c.do(ctx, http.MethodGet, address, header)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if p.received > 0 {
		want, got := fmt.Sprintf("bytes %d-", p.received), response.Header.Get("Content-Range")
		part := response.StatusCode == http.StatusPartialContent
		if !part || !strings.HasPrefix(got, want) {
			// The answer has the whole file, or another part of it.
			if err := p.restart(); err != nil {
				return err
			}
			if part {
				return temporaryError{fmt.Errorf("the hub sends the range %q, want %q", got, want)}
			}
		}
	}
	buffer := make([]byte, 1<<20)
	for p.received < p.size {
		n, err := response.Body.Read(buffer[:min(int64(len(buffer)), p.size-p.received)])
		if n > 0 {
			if _, err := p.file.Write(buffer[:n]); err != nil {
				return err
			}
			p.hash.Write(buffer[:n])
			p.received += int64(n)
			report()
		}
		if err == io.EOF && p.received < p.size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return temporaryError{err}
		}
	}
	return nil
}
