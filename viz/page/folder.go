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

	"kenserve/viz"
	"kenserve/viz/figure"

	"golang.org/x/sync/errgroup"
)

// FolderOptions say what WriteFolder writes.
type FolderOptions struct {
	Page    Options
	Formats []figure.Format // of the pictures; none: only the page
	Style   figure.Style
}

// Page is the name of the page in a folder.
const FileName = "index.html"

// WriteFolder writes the page of a model, [Page], and all its views as files
// in a folder for each format: FORMAT/TENSOR.VIEW.FORMAT. Files that are there
// are replaced, each at once when it is complete. Progress is called for every
// tensor of the page and for every set of pictures, [Model.Steps] times in all.
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
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := set(ctx, o.Page, emit)
			if err == nil && o.Page.Progress != nil {
				o.Page.Progress()
			}
			return err
		})
	}
	return group.Wait()
}

// writeFile writes a file that appears when it is complete. It is not synced:
// pictures can be made again.
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
	defer os.Remove(f.Name()) // does nothing once it is renamed
	if err := errors.Join(write(f), f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// set makes some views, which it hands to emit with their files' names, less
// the format.
type pictureSet func(ctx context.Context, o Options, emit func(name string, v viz.View) error) error

// Steps returns how often [WriteFolder] calls PageOptions.Progress.
func Steps(m *viz.Model, formats []figure.Format) int {
	n := len(m.Tensors())
	if len(formats) > 0 {
		n += len(pictureSets(m))
	}
	return n
}

// sets lists the sets of all views of a model.
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

// layersSet makes the layer-wise views of a type of tensor.
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

// tensorSet makes the views of one tensor, about the row that changed most
// unless the options name another.
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

// fileName returns a name for a tensor's files: its own where that is a file's
// name on all systems, else its number.
func fileName(tensor string, number int) string {
	if plainName.MatchString(tensor) {
		return tensor
	}
	return fmt.Sprintf("tensor-%d", number)
}
