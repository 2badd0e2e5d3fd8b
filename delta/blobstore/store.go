package blobstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"sort"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"kenserve/delta"
)

// Store is a store in a bucket.
type Store struct {
	bucket  *blob.Bucket
	address string // of the bucket, as far as objects of two buckets are told apart
	cache   *delta.Cache
	retry   retry
}

var _ delta.Writable = (*Store)(nil)

// IsURL reports whether a store's address is one that [Open] takes, and not a
// folder's.
func IsURL(address string) bool { return strings.Contains(address, "://") }

// Open opens the bucket at an address of gocloud.dev/blob, such as
//
//	s3://bucket/prefix?region=eu-central-1
//
// where the path, if any, is what precedes the tasks' names (of file://, it is
// the folder). Credentials are those that the provider's own tools use: from
// the environment, or the machine. cache holds the copies of objects.
func Open(ctx context.Context, address string, cache *delta.Cache) (*Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("blobstore: %w", err)
	}
	plain := *u
	plain.RawQuery, plain.User = "", nil
	if err := clientMissing(u.Scheme); err != nil {
		return nil, fmt.Errorf("blobstore: open %s: %w", plain.String(), err)
	}
	prefix := ""
	if u.Scheme != "file" {
		if prefix = strings.Trim(u.Path, "/"); prefix != "" {
			prefix += "/"
		}
		u.Path = ""
	}
	bucket, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("blobstore: open %s: %w", plain.String(), err)
	}
	if prefix != "" {
		bucket = blob.PrefixedBucket(bucket, prefix)
	}
	return New(bucket, plain.String()+"?"+u.Query().Get("endpoint"), cache), nil
}

// New returns the store in an open bucket, which it owns from then on. address
// tells the cache whose objects its copies are.
func New(bucket *blob.Bucket, address string, cache *delta.Cache) *Store {
	return &Store{bucket: bucket, address: address, cache: cache, retry: defaultRetry}
}

// Close ends the connection to the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

// List implements delta.Store.
func (s *Store) List(ctx context.Context) ([]delta.Item, error) {
	var items []delta.Item
	err := s.retry.do(ctx, func() error {
		items = items[:0]
		objects := s.bucket.List(&blob.ListOptions{Delimiter: "/"})
		for {
			o, err := objects.Next(ctx)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if task, ok := delta.TaskName(o.Key); ok && !o.IsDir {
				items = append(items, delta.Item{Task: task, Version: listedVersion(o), Size: o.Size})
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("blobstore: list: %w", err)
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Task < items[j].Task })
	return items, nil
}

// Stat implements delta.Store.
func (s *Store) Stat(ctx context.Context, task string) (delta.Item, error) {
	if !delta.ValidTask(task) {
		return delta.Item{}, notFound(task)
	}
	var a *blob.Attributes
	err := s.retry.do(ctx, func() (err error) {
		a, err = s.bucket.Attributes(ctx, key(task))
		return err
	})
	if err != nil {
		return delta.Item{}, failed("look for", task, err)
	}
	return delta.Item{Task: task, Version: version(a), Size: a.Size}, nil
}

// changes is how often an object may be replaced while it is fetched.
const changes = 4

// Fetch implements delta.Store.
func (s *Store) Fetch(ctx context.Context, item delta.Item) (delta.File, error) {
	if !delta.ValidTask(item.Task) {
		return delta.File{}, notFound(item.Task)
	}
	for range changes {
		if f, ok := s.cache.Object(s.reference(item)); ok {
			return f, nil
		}
		f, now, err := s.download(ctx, item)
		if err != nil || now == item {
			return f, err
		}
		item = now
	}
	return delta.File{}, fmt.Errorf("blobstore: fetch task %s: it was replaced %d times meanwhile", item.Task, changes)
}

// download copies an object to the cache, unless it has become another one,
// which is then returned.
func (s *Store) download(ctx context.Context, item delta.Item) (delta.File, delta.Item, error) {
	spool, err := s.cache.Spool()
	if err != nil {
		return delta.File{}, item, err
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	err = s.retry.do(ctx, func() error {
		if _, err := spool.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := spool.Truncate(0); err != nil {
			return err
		}
		r, err := s.bucket.NewReader(ctx, key(item.Task), nil)
		if err != nil {
			return err
		}
		defer r.Close()
		// Not more than was announced: one that grew has another version.
		n, err := io.Copy(spool, io.LimitReader(r, item.Size+1))
		if err == nil && n < r.Size() && n <= item.Size {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
	if err != nil {
		return delta.File{}, item, failed("fetch", item.Task, err)
	}
	// What was read belongs to the version if it still does afterwards.
	now, err := s.Stat(ctx, item.Task)
	if err != nil || now != item {
		return delta.File{}, now, err
	}
	if err := spool.Close(); err != nil {
		return delta.File{}, item, fmt.Errorf("blobstore: fetch task %s: %w", item.Task, err)
	}
	f, err := s.cache.Keep(spool.Name(), s.reference(item))
	return f, item, err
}

func (s *Store) reference(item delta.Item) string {
	return s.address + "\n" + item.Task + "\n" + item.Version
}

// Spool implements delta.Writable.
func (s *Store) Spool() (*os.File, error) { return s.cache.Spool() }

// Put implements delta.Writable.
func (s *Store) Put(ctx context.Context, task, path string) error {
	if !delta.ValidTask(task) {
		return fmt.Errorf("blobstore: put task %q: not a task's name", task)
	}
	err := s.retry.do(ctx, func() error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		// An upload that is given up leaves the old object.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return s.bucket.Upload(ctx, key(task), f, &blob.WriterOptions{ContentType: "application/octet-stream"})
	})
	if err != nil {
		return failed("put", task, err)
	}
	return nil
}

// Remove implements delta.Writable.
func (s *Store) Remove(ctx context.Context, task string) error {
	// Some providers do not tell whether there was anything to remove.
	if _, err := s.Stat(ctx, task); err != nil {
		return err
	}
	if err := s.retry.do(ctx, func() error { return s.bucket.Delete(ctx, key(task)) }); err != nil {
		return failed("remove", task, err)
	}
	return nil
}

func key(task string) string { return task + delta.Extension }

func notFound(task string) error {
	return fmt.Errorf("blobstore: task %q: %w", task, delta.ErrNotFound)
}

// failed gives an error of the bucket its context and, where callers tell it
// apart, its place among package delta's.
func failed(what, task string, err error) error {
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return notFound(task)
	case gcerrors.PermissionDenied, gcerrors.Unimplemented:
		if what == "put" || what == "remove" {
			return fmt.Errorf("blobstore: %s task %s: %w: %w", what, task, delta.ErrReadOnly, err)
		}
	}
	return fmt.Errorf("blobstore: %s task %s: %w: %w", what, task, ErrUnavailable, err)
}

// ErrUnavailable means that the bucket did not give what was asked for, however
// often it was asked.
var ErrUnavailable = errors.New("the object store did not answer")
