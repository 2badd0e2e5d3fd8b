package bucket

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"kenserve/delta"
	"kenserve/delta/store"
)

// Store is a store in a bucket. It implements [store.Writable].
type Store struct {
	bucket  *blob.Bucket
	address string // identifies the bucket in the cache
	cache   *store.Cache
	retry   retry
	folder  *store.Root // of a file:// bucket, which reads as empty when its folder is gone
}

var _ store.Writable = (*Store)(nil)

// IsURL reports whether a store's address is a URL for [Open], not the path of a
// folder.
func IsURL(address string) bool { return strings.Contains(address, "://") }

// Open opens the bucket at a URL of gocloud.dev/blob, such as
//
//	s3://bucket/prefix?region=eu-central-1
//
// The path, if there is one, is a prefix of the objects' names; with file:// it is
// the folder. Credentials come from where the provider's own tools find them: the
// environment or the machine. cache keeps the copies of objects.
func Open(ctx context.Context, address string, cache *store.Cache) (*Store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("bucket: %w", err)
	}
	plain := *u
	plain.RawQuery, plain.User = "", nil
	if err := clientMissing(u.Scheme); err != nil {
		return nil, fmt.Errorf("bucket: open %s: %w", plain.String(), err)
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
		return nil, fmt.Errorf("bucket: open %s: %w", plain.String(), err)
	}
	if prefix != "" {
		bucket = blob.PrefixedBucket(bucket, prefix)
	}
	s := newStore(bucket, plain.String()+"?"+u.Query().Get("endpoint"), cache)
	if u.Scheme == "file" {
		path := filepath.FromSlash(u.Path)
		if u.Host == "." { // a relative path, as gocloud.dev/blob/fileblob has it
			path = strings.TrimPrefix(path, string(filepath.Separator))
		}
		s.folder = store.NewRoot(path)
	}
	return s, nil
}

// checkFolder returns a [store.ErrAway] if the folder of a file:// bucket is gone.
func (s *Store) checkFolder() error {
	if s.folder == nil {
		return nil
	}
	return s.folder.Check()
}

// newStore returns the store in an open bucket, which it owns. address identifies
// the bucket in the cache.
func newStore(bucket *blob.Bucket, address string, cache *store.Cache) *Store {
	return &Store{bucket: bucket, address: address, cache: cache, retry: defaultRetry}
}

// Close ends the connection to the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

// List implements store.Store.
func (s *Store) List(ctx context.Context) ([]store.Item, error) {
	var items []store.Item
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
				items = append(items, store.Item{Task: task, Version: listedVersion(o), Size: o.Size})
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("bucket: list: %w: %w", store.ErrAway, err)
	}
	if s.folder != nil {
		if err := s.folder.Listed(len(items)); err != nil {
			return nil, fmt.Errorf("bucket: list: %w", err)
		}
	}
	sort.Slice(items, func(i, j int) bool { return items[i].Task < items[j].Task })
	return items, nil
}

// Stat implements store.Store.
func (s *Store) Stat(ctx context.Context, task string) (store.Item, error) {
	if !delta.ValidTask(task) {
		return store.Item{}, notFound(task)
	}
	var a *blob.Attributes
	err := s.retry.do(ctx, func() (err error) {
		a, err = s.bucket.Attributes(ctx, key(task))
		return err
	})
	if err != nil {
		return store.Item{}, s.failed("find", task, err)
	}
	return store.Item{Task: task, Version: version(a), Size: a.Size}, nil
}

// maxReplacements is how often an object may be replaced while it is fetched.
const maxReplacements = 4

// Fetch implements store.Store.
func (s *Store) Fetch(ctx context.Context, item store.Item) (store.File, error) {
	if !delta.ValidTask(item.Task) {
		return store.File{}, notFound(item.Task)
	}
	for range maxReplacements {
		if f, ok := s.cache.Object(s.reference(item)); ok {
			return f, nil
		}
		f, now, err := s.download(ctx, item)
		if err != nil || now == item {
			return f, err
		}
		item = now
	}
	return store.File{}, fmt.Errorf("bucket: fetch task %s: it was replaced %d times while it was fetched", item.Task, maxReplacements)
}

// download copies an object into the cache. If the object was replaced meanwhile it
// copies nothing and returns the new item.
func (s *Store) download(ctx context.Context, item store.Item) (store.File, store.Item, error) {
	spool, err := s.cache.Spool()
	if err != nil {
		return store.File{}, item, err
	}
	defer spool.Remove()
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
		// At most one byte more than the item has: a larger object has another version.
		n, err := io.Copy(spool, io.LimitReader(r, item.Size+1))
		if err == nil && n < r.Size() && n <= item.Size {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
	if err != nil {
		return store.File{}, item, s.failed("fetch", item.Task, err)
	}
	// The content belongs to the version if the object still has it now.
	now, err := s.Stat(ctx, item.Task)
	if err != nil || now != item {
		return store.File{}, now, err
	}
	if err := spool.Close(); err != nil {
		return store.File{}, item, fmt.Errorf("bucket: fetch task %s: %w", item.Task, err)
	}
	f, err := s.cache.Keep(spool, s.reference(item))
	return f, item, err
}

// reference identifies a version of an object in the cache.
func (s *Store) reference(item store.Item) string {
	return s.address + "\n" + item.Task + "\n" + item.Version
}

// Spool implements store.Writable.
func (s *Store) Spool() (*store.Spool, error) { return s.cache.Spool() }

// Put implements store.Writable.
func (s *Store) Put(ctx context.Context, task string, spool *store.Spool) error {
	if !delta.ValidTask(task) {
		return fmt.Errorf("bucket: put task %q: not a valid name of a task", task)
	}
	if err := s.checkFolder(); err != nil {
		return fmt.Errorf("bucket: put task %s: %w", task, err)
	}
	err := s.retry.do(ctx, func() error {
		f, err := os.Open(spool.Name())
		if err != nil {
			return err
		}
		defer f.Close()
		// Cancelling the context aborts an incomplete upload, which leaves the old
		// object.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return s.bucket.Upload(ctx, key(task), f, &blob.WriterOptions{ContentType: "application/octet-stream"})
	})
	if err != nil {
		return s.failed("put", task, err)
	}
	return nil
}

// Remove implements store.Writable.
func (s *Store) Remove(ctx context.Context, task string) error {
	// Some providers do not report that there was no object to remove.
	if _, err := s.Stat(ctx, task); err != nil {
		return err
	}
	if err := s.retry.do(ctx, func() error { return s.bucket.Delete(ctx, key(task)) }); err != nil {
		return s.failed("remove", task, err)
	}
	return nil
}

func key(task string) string { return task + delta.Extension }

func notFound(task string) error {
	return fmt.Errorf("bucket: task %q: %w", task, store.ErrNotFound)
}

// failed gives an error of the bucket its context, and makes it one of package
// store's errors where there is one for it. action is what failed.
func (s *Store) failed(action, task string, err error) error {
	if gone := s.checkFolder(); gone != nil {
		return fmt.Errorf("bucket: %s task %s: %w", action, task, gone)
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return notFound(task)
	case gcerrors.PermissionDenied, gcerrors.Unimplemented:
		if action == "put" || action == "remove" {
			return fmt.Errorf("bucket: %s task %s: %w: %w", action, task, store.ErrReadOnly, err)
		}
	}
	return fmt.Errorf("bucket: %s task %s: %w: %w", action, task, store.ErrAway, err)
}
