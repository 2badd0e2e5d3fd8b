package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"kenserve/internal/fault"
	"kenserve/viz"
	"kenserve/viz/figure"
)

// FolderOptions say what [WriteFolder] writes.
type FolderOptions struct {
	Page    Options
	Formats []figure.Format // of the pictures; empty: only the page
	Style   figure.Style
}

// FileName is the name of the page in a folder.
const FileName = "index.html"

// WriteFolder writes the page of a model to [FileName] in dir, and all views as files, in a
// folder for each format: FORMAT/TENSOR.VIEW.FORMAT. It replaces existing files, each when the
// new one is complete. It calls o.Page.Progress [Steps] times.
func WriteFolder(ctx context.Context, dir string, m *viz.Model, o FolderOptions) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("viz: %w", err)
	}
	if err := writeFile(filepath.Join(dir, FileName), func(w io.Writer) error { return Write(ctx, w, m, o.Page) }); err != nil {
		return err
	}
	if len(o.Formats) == 0 {
		return nil
	}
	for _, format := range o.Formats {
		if err := os.MkdirAll(filepath.Join(dir, string(format)), 0o755); err != nil {
			return fmt.Errorf("viz: %w", err)
		}
	}
	emit := func(name string, v viz.View) error {
		for _, format := range o.Formats {
			path := filepath.Join(dir, string(format), name+"."+string(format))
			if err := writeFile(path, func(w io.Writer) error { return figure.Write(w, v, format, o.Style) }); err != nil {
				return err
			}
		}
		return nil
	}
	workers := o.Page.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, set := range pictureSets(m) {
		group.Go(func() (err error) {
			defer fault.Contain(&err)()
			if err := ctx.Err(); err != nil {
				return err
			}
			err = set(ctx, o.Page, emit)
			if err == nil && o.Page.Progress != nil {
				o.Page.Progress()
			}
			return err
		})
	}
	return group.Wait()
}

// writeFile writes a file under a temporary name and renames it when it is complete. It does
// not sync the file, because pictures can be made again.
func writeFile(path string, write func(w io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("viz: write %s: %w", path, err)
		}
	}()
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, which does not matter
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// pictureSet makes some views and calls emit with each and the name of its file without the
// format.
type pictureSet func(ctx context.Context, o Options, emit func(name string, v viz.View) error) error

// Steps returns how often [WriteFolder] calls [Options.Progress]: once for each tensor of the
// page and once for each set of pictures.
func Steps(m *viz.Model, formats []figure.Format) int {
	n := len(m.Tensors())
	if len(formats) > 0 {
		n += len(pictureSets(m))
	}
	return n
}

// pictureSets returns the sets of all views of a model.
func pictureSets(m *viz.Model) []pictureSet {
	all := []pictureSet{func(ctx context.Context, _ Options, emit func(string, viz.View) error) error {
		changes, err := m.Changes(ctx, "")
		if err != nil {
			return err
		}
		return errors.Join(emit("shares", m.Shares()), emit("changes", changes))
	}}
	seen := map[string]bool{}
	for i := range m.Tensors() {
		t := &m.Tensors()[i]
		if !t.IsMatrix() || !t.IsShown() {
			continue
		}
		if t.Layer >= 0 && !seen[t.Kind] {
			seen[t.Kind] = true
			all = append(all, layersSet(m, t.Kind, i))
		}
		all = append(all, tensorSet(m, t, i))
	}
	return all
}

// layersSet returns the set of the layer-wise views of a type of tensor.
func layersSet(m *viz.Model, kind string, number int) pictureSet {
	return func(ctx context.Context, _ Options, emit func(string, viz.View) error) error {
		for _, of := range []viz.Aspect{viz.OfKept, viz.OfNeighbours} {
			v, err := m.Layers(ctx, kind, of, viz.Detail{})
			if err != nil {
				return err
			}
			if err := emit(fileName(strings.Replace(kind, "*", "all", 1), number)+"."+string(of), v); err != nil {
				return err
			}
		}
		return nil
	}
}

// tensorSet returns the set of the views of one tensor. The density is that of the row in the
// options, or of the row that changed most.
func tensorSet(m *viz.Model, t *viz.Tensor, number int) pictureSet {
	return func(ctx context.Context, o Options, emit func(string, viz.View) error) error {
		x, err := m.Matrix(ctx, t.Name)
		if err != nil {
			return err
		}
		changes, err := x.Changes(ctx)
		if err != nil {
			return err
		}
		row, ok := o.Rows[t.Name]
		if !ok {
			row = changes.MostChanged
		}
		name := fileName(t.Name, number)
		c := x.Count(viz.Detail{Row: row, Column: t.Columns / 2})
		if err := errors.Join(emit(name+".kept", c.Kept()), emit(name+".neighbours", c.Neighbours())); err != nil {
			return err
		}
		if t.Form != viz.Head {
			if err := emit(name+".changes", changes); err != nil {
				return err
			}
		}
		if t.Columns > viz.MaxRow {
			return nil
		}
		density, err := x.Density(ctx, row)
		if err != nil {
			return err
		}
		return emit(name+".density", density)
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

// fileName returns the name of a tensor's files: the tensor's own name if it is a valid file
// name on all systems, otherwise one with its number.
func fileName(tensor string, number int) string {
	if plainName.MatchString(tensor) {
		return tensor
	}
	return fmt.Sprintf("tensor-%d", number)
}
