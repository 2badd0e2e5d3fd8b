package jobs

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"kenserve/delta"
	"kenserve/runtime"
	"kenserve/tune"
)

// spooled is a job whose texts are on disk and which is not queued yet.
type spooled struct {
	record
	dir string
}

func (s *spooled) remove() { _ = os.RemoveAll(s.dir) }

const spoolPrefix = ".spool-"

// isSpool tells whether an entry of the folder of the jobs has the texts of a job that was
// never queued.
func isSpool(name string) bool { return strings.HasPrefix(name, spoolPrefix) }

// gzipMagic begins a file that is compressed. Package dataset would unpack it, and its size
// would be unbounded.
const gzipMagic = "\x1f\x8b"

// spool writes the texts of a job to disk.
func (j *Jobs) spool(ctx context.Context, task string, o Options, r io.Reader) (_ *spooled, err error) {
	if !delta.ValidTask(task) {
		return nil, &InvalidError{"the name of the task is not valid"}
	}
	if err := o.check(); err != nil {
		return nil, &InvalidError{strings.ReplaceAll(err.Error(), "tune: ", "")}
	}
	s := &spooled{record: record{Job: Job{Object: "tuning", Task: task, Created: time.Now().UTC().Truncate(time.Millisecond), Ignored: []string{}, Curve: []tune.Point{}}, Options: o}}
	if s.dir, err = os.MkdirTemp(j.config.Dir, spoolPrefix); err != nil {
		return nil, diskError("make a folder for the job", err)
	}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	f, err := os.OpenFile(filepath.Join(s.dir, dataFile), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, diskError("make a file for the texts", err)
	}
	defer f.Close()
	from := &source{ctx: ctx, r: r}
	if s.Bytes, err = io.Copy(f, io.LimitReader(from, j.config.MaxBytes+1)); err != nil {
		if from.err != nil {
			return nil, from.err
		}
		return nil, diskError("write the texts", err)
	}
	if s.Bytes > j.config.MaxBytes {
		return nil, ErrTooLong
	}
	head := make([]byte, len(gzipMagic))
	if _, err := f.ReadAt(head, 0); err == nil && string(head) == gzipMagic {
		return nil, &InvalidError{"the texts are compressed; send them as they are, or with the header Content-Encoding: gzip"}
	}
	if err := f.Sync(); err != nil {
		return nil, diskError("write the texts", err)
	}
	return s, nil
}

// source tells errors of the reader from those of the disk.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// check reads and checks the texts in a process of its own, which takes the same memory
// whatever they are.
func (j *Jobs) check(ctx context.Context, s *spooled) error {
	select {
	case j.checking <- struct{}{}:
		defer func() { <-j.checking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	need := s.Options.memory(0, s.Bytes)
	if j.Counts().Running == 0 {
		// A job that does not fit into the memory is refused now, not when its turn comes.
		need = s.Options.memory(j.config.BaseBytes, s.Bytes)
	}
	release, err := j.config.Engine.Reserve(need)
	if err != nil {
		return err
	}
	defer release()
	var failed *event
	err = j.process(ctx, &s.record, s.dir, true, func(e event) {
		switch {
		case e.Error != "":
			failed = &e
		case e.Data != nil:
			s.read(e)
		}
	})
	switch {
	case failed != nil && failed.Invalid:
		return &InvalidError{failed.Error}
	case failed != nil:
		return errors.New("tune: check the texts: " + failed.Error)
	case err != nil:
		return err
	case s.Data == nil:
		return errors.New("tune: check the texts: the process ended without a result")
	}
	return nil
}

// full tells whether an error means that a disk is full.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, runtime.ErrNoSpace)
}
