package stage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kenserve/internal/atomicfile"
	"kenserve/internal/regular"
)

// Options say what an output may do.
type Options struct {
	// Folder makes the output a folder of files instead of a file.
	Folder bool
	// Names lists names that will be written in the folder, as far as they are known.
	Names []string
	// Replace allows to replace a regular file, or files of a folder that is not empty.
	Replace bool
	// Inputs are paths of what is read to make the output: files, or folders, of which
	// each file counts. They are never replaced, under whatever name, and must not
	// change meanwhile. Empty paths and "-" are ignored.
	Inputs []string
}

// Output is a file or folder that a command writes. The command writes to another path,
// and Commit puts what it has written into place.
type Output struct {
	given   string // as the caller wrote it
	path    string
	options Options
	inputs  []input
	folder  *Folder
}

// input is a file or folder as it was when the work began.
type input struct {
	path string
	info fs.FileInfo
}

// Create checks that the output may be written to path, and makes a place to write to.
// It refuses a device, a folder, a pipe, a socket and a link, an input, and what exists
// unless it may be replaced. The caller calls Abort in the end.
func Create(path string, options Options) (*Output, error) {
	o := &Output{given: path, path: filepath.Clean(path), options: options}
	if err := o.findInputs(); err != nil {
		return nil, err
	}
	dir := filepath.Dir(o.path)
	if options.Folder {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
	}
	Clean(dir)
	if err := o.check(); err != nil {
		return nil, err
	}
	var err error
	if o.folder, err = NewFolder(dir); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if options.Folder {
		if err := os.Mkdir(o.Path(), 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), o.folder.Remove())
		}
	}
	return o, nil
}

// OpenInPlace opens a file that is written under its own name from the beginning, because
// what is there after an interruption is of use. It makes the checks of [Create]. The file
// keeps its content, which is the caller's to read or to remove.
func OpenInPlace(path string, options Options) (*os.File, error) {
	o := &Output{given: path, path: filepath.Clean(path), options: options}
	if err := o.findInputs(); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	flags := os.O_RDWR | os.O_CREATE
	if !options.Replace {
		flags |= os.O_EXCL
	}
	f, err := regular.OpenWrite(o.path, flags)
	if errors.Is(err, fs.ErrExist) {
		return nil, exists(o.path, "it exists")
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	// The file that was opened may have come after the check.
	info, err := f.Stat()
	if err == nil && o.inputOf(info) != "" {
		err = refuse(o.path, "it is the input "+o.inputOf(info))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Path returns where to write: a path with the last element of the output's own. For a
// folder, it exists.
func (o *Output) Path() string { return o.folder.Path(filepath.Base(o.path)) }

// Commit puts what was written to Path into place, after the checks of [Create]. A file
// appears in one step. A folder that did not exist does, too; in one that did, each file
// does.
func (o *Output) Commit(ctx context.Context) error {
	endCommit, err := beginCommit()
	if err != nil {
		return err
	}
	defer endCommit()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, in := range o.inputs {
		if now, err := os.Stat(in.path); err != nil || !sameContent(now, in.info) {
			return fmt.Errorf("%s changed while it was read, so %s was not written; run the command again", in.path, o.path)
		}
	}
	if err := o.check(); err != nil {
		return err
	}
	if !o.options.Folder {
		return o.place(o.Path(), o.path)
	}
	if os.Rename(o.Path(), o.path) == nil { // this fails if the folder exists
		return nil
	}
	return filepath.WalkDir(o.Path(), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(o.Path(), path)
		if err != nil {
			return err
		}
		to := filepath.Join(o.path, name)
		if e.IsDir() {
			if info, err := os.Lstat(to); err == nil && !info.IsDir() {
				return refuse(to, "it is "+kind(info.Mode())+", not a folder")
			}
			return os.MkdirAll(to, 0o755)
		}
		if err := o.checkFile(to); err != nil {
			return err
		}
		return o.place(path, to)
	})
}

// Abort removes what was not committed. It may be called after Commit, and again.
func (o *Output) Abort() { _ = o.folder.Remove() }

// place moves a file to its place.
func (o *Output) place(from, to string) error {
	if o.options.Replace {
		return atomicfile.Move(from, to)
	}
	err := atomicfile.MoveNew(from, to)
	if errors.Is(err, fs.ErrExist) {
		return exists(to, "it exists")
	}
	return err
}

// findInputs notes the inputs as they are now. An input that is not there is the
// business of whoever reads it.
func (o *Output) findInputs() error {
	if o.given == "" { // as from a variable that was not set; it would be the present folder
		return refuse(`""`, "the path is empty")
	}
	add := func(path string) fs.FileInfo {
		info, err := os.Stat(path)
		if err != nil {
			return nil
		}
		o.inputs = append(o.inputs, input{path, info})
		return info
	}
	for _, path := range o.options.Inputs {
		if path == "" || path == "-" {
			continue
		}
		info := add(path)
		if info == nil || !info.IsDir() {
			continue
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		for _, e := range entries {
			if info, err := os.Stat(filepath.Join(path, e.Name())); err == nil && info.Mode().IsRegular() {
				add(filepath.Join(path, e.Name()))
			}
		}
	}
	return nil
}

// check refuses an output that would harm something.
func (o *Output) check() error {
	if !o.options.Folder {
		return o.checkFile(o.path)
	}
	info, err := os.Lstat(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("write %s: %w", o.path, err)
	case !info.IsDir():
		return refuse(o.path, "it is "+kind(info.Mode())+", not a folder")
	}
	if in := o.inputOf(info); in != "" {
		return refuse(o.path, "it is the folder "+in+", which is read")
	}
	entries, err := os.ReadDir(o.path)
	if err != nil {
		return fmt.Errorf("write %s: %w", o.path, err)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return IsFolder(e.Name()) })
	if len(entries) > 0 && !o.options.Replace {
		return exists(o.path, "the folder is not empty")
	}
	for _, name := range o.options.Names {
		if err := o.checkFile(filepath.Join(o.path, name)); err != nil {
			return err
		}
	}
	return nil
}

// checkFile refuses to write a file to path if it would harm something.
func (o *Output) checkFile(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("write %s: %w", path, err)
	case !info.Mode().IsRegular():
		return refuse(path, "it is "+kind(info.Mode())+", not a file")
	}
	if in := o.inputOf(info); in != "" {
		return refuse(path, "it is the input "+in)
	}
	if !o.options.Replace {
		return exists(path, "it exists")
	}
	return nil
}

// inputOf returns the path of the input that is the same file, or "".
func (o *Output) inputOf(info fs.FileInfo) string {
	for _, in := range o.inputs {
		if os.SameFile(info, in.info) {
			return in.path
		}
	}
	return ""
}

// sameContent tells whether a file seems to have the content that it had. The entries of
// a folder may change.
func sameContent(now, before fs.FileInfo) bool {
	if before.IsDir() || !before.Mode().IsRegular() {
		return true
	}
	return os.SameFile(now, before) && now.Size() == before.Size() && now.ModTime().Equal(before.ModTime())
}

// RefusedError means that an output was not written to spare what is at its path.
type RefusedError struct {
	path, reason string
	Exists       bool // so that Options.Replace would allow it
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s is not written: %s", e.path, e.reason) }

func refuse(path, reason string) error { return &RefusedError{path: path, reason: reason} }

func exists(path, reason string) error { return &RefusedError{path, reason, true} }

// kind names what a path is.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeSymlink != 0:
		return "a link"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	case mode.IsRegular():
		return "a file"
	}
	return "something else"
}
