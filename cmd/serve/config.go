package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// configFile is the flag that names a YAML file with values for the other
// flags of its command.
type configFile string

// paths are the keys whose relative values, unless they are URLs, count from
// the file's folder.
var paths = []string{"base", "store", "cache", "api-key-file", "admin-key-file", "tls-cert", "tls-key"}

// BeforeResolve is kong's hook: it reads the file and lets it answer for flags
// that neither the command line nor the environment sets. A default file that
// does not exist is none.
func (configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	if trace.Flag == nil || ctx.Selected() == nil || !slices.Contains(ctx.Selected().Flags, trace.Flag) {
		return nil // kong asks default flags of commands that were not given, too
	}
	path := string(ctx.FlagValue(trace.Flag).(configFile))
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && path == trace.Flag.Default {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return fmt.Errorf("read configuration %s: %w", path, err)
	}
	known := flagNames(trace.Flag.Name, ctx)
	for key, value := range values {
		if !slices.Contains(known, key) {
			return fmt.Errorf("read configuration %s: unknown key %q; known are %s", path, key, strings.Join(known, ", "))
		}
		switch value.(type) {
		case map[string]any, []any:
			return fmt.Errorf("read configuration %s: key %q: a single value is wanted", path, key)
		}
	}
	ctx.AddResolver(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value, ok := values[flag.Name]
		if !ok || value == nil {
			return nil, nil
		}
		for _, name := range flag.Envs {
			if _, set := os.LookupEnv(name); set {
				return nil, nil
			}
		}
		out := fmt.Sprint(value)
		if slices.Contains(paths, flag.Name) && !filepath.IsAbs(out) && !strings.Contains(out, "://") {
			joined := filepath.Join(filepath.Dir(path), out)
			if _, err := os.Stat(joined); flag.Name != "base" || !isModel(out) || err == nil {
				out = joined
			}
		}
		return out, nil
	}))
	return nil
}

// flagNames lists the flags of the command that has the flag called own, but
// for that one.
func flagNames(own string, ctx *kong.Context) []string {
	var names []string
	for _, flag := range ctx.Selected().Flags {
		if flag.Name != own {
			names = append(names, flag.Name)
		}
	}
	slices.Sort(names)
	return names
}

// byteSize is a number of bytes, written with an optional unit: 512MiB, 2GB.
type byteSize int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *byteSize) UnmarshalText(text []byte) error {
	number, factor := strings.TrimSpace(string(text)), 1.0
	for _, unit := range byteUnits {
		if rest, ok := strings.CutSuffix(number, unit.suffix); ok {
			number, factor = strings.TrimSpace(rest), unit.factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n*factor >= 1 && n*factor < 1<<62) {
		return fmt.Errorf("%q is not a size; 512MiB is one", text)
	}
	*b = byteSize(n * factor)
	return nil
}
