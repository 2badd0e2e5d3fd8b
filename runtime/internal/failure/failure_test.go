package failure

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"kenserve/delta"
	"kenserve/delta/store"
	"kenserve/internal/lfs"
	"kenserve/internal/regular"
	"kenserve/safetensors"
)

// TestUnusable checks the error of a request for each reason why its task is not served.
func TestUnusable(t *testing.T) {
	for _, test := range []struct {
		reason error
		is     error
		class  string
	}{
		{store.ErrAway, ErrStoreAway, ErrStoreAway.Error()},
		{store.ErrNotFound, ErrNoTask, ErrNoTask.Error()},
		{syscall.ENOSPC, ErrNoSpace, ErrNoSpace.Error()},
		{delta.ErrBase, ErrTaskUnusable, "its delta belongs to another base"},
		{fmt.Errorf("%w: %w", delta.ErrCorrupt, delta.ErrDigest), ErrTaskUnusable, "its delta is damaged"},
		{delta.ErrCorrupt, ErrTaskUnusable, "its delta is not valid"},
		{safetensors.ErrCorrupt, ErrTaskUnusable, "its delta is not valid"},
		{regular.ErrNotRegular, ErrTaskUnusable, "its delta is not valid"},
		{lfs.ErrPointer, ErrTaskUnusable, "its delta is a Git LFS pointer, not the file itself"},
		{&fs.PathError{Op: "read", Path: "a.ken", Err: syscall.EIO}, ErrTaskUnusable, "its delta cannot be read"},
		// A file of the cache that is gone says nothing about the task.
		{&fs.PathError{Op: "open", Path: "cache/a.ken", Err: syscall.ENOENT}, ErrTaskUnusable, "its delta cannot be read"},
		{errors.New("the head has 3 outputs"), ErrTaskUnusable, "its delta does not fit the model"},
	} {
		err := Unusable("a", fmt.Errorf("open: %w", test.reason))
		if !errors.Is(err, test.is) || Class(err) != test.class {
			t.Errorf("%v: %v, class %q; want %v and %q", test.reason, err, Class(err), test.is, test.class)
		}
	}
}
