package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"kenserve/internal/regular"
)

// Limits of a file with settings. A reload must end even if a pipe has come in its place.
const (
	maxSettingsFile   = 1 << 20 // bytes
	settingsFilePause = 5 * time.Second
)

// readSettingsFile reads a file with settings or keys, which may be a pipe.
func readSettingsFile(path string) ([]byte, error) {
	return regular.ReadWithin(path, maxSettingsFile, settingsFilePause)
}

// configFile is the type of a flag that names a YAML file with values for the other flags
// of its command.
type configFile string

// pathKeys are the keys whose values are paths. A relative path counts from the folder of
// the configuration file; a URL stays as it is.
var pathKeys = []string{"base", "store", "cache", "api-key-file", "admin-key-file", "tls-cert", "tls-key"}

// BeforeResolve is a hook of kong. It reads the file and adds a resolver that gives its
// values to flags that neither the command line nor the environment sets. It is no error
// if the default file does not exist.
func (configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	if trace.Flag == nil || ctx.Selected() == nil || !slices.Contains(ctx.Selected().Flags, trace.Flag) {
		return nil // kong also calls the hook for flags of other commands that have a default
	}
	path := string(ctx.FlagValue(trace.Flag).(configFile))
	text, err := readSettingsFile(path)
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
	keys := configKeys(trace.Flag.Name, ctx)
	for key, value := range values {
		if !slices.Contains(keys, key) {
			return fmt.Errorf("read configuration %s: unknown key %q; the keys are %s", path, key, strings.Join(keys, ", "))
		}
		switch value.(type) {
		case map[string]any, []any:
			return fmt.Errorf("read configuration %s: key %q must have a single value, not a list or a mapping", path, key)
		case nil:
			if slices.Contains(needsValue, key) {
				return fmt.Errorf("read configuration %s: key %q %w", path, key, errNoValue)
			}
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
		text := fmt.Sprint(value)
		if slices.Contains(pathKeys, flag.Name) {
			if strings.TrimSpace(text) == "" {
				return nil, fmt.Errorf("read configuration %s: key %q %w", path, flag.Name, errNoValue)
			}
			text = resolvePath(filepath.Dir(path), flag.Name, text)
		}
		return text, nil
	}))
	return nil
}

// resolvePath returns the value of a key in pathKeys, relative to the folder dir of the
// configuration file. A base like ORG/NAME that is not a folder there names a downloaded
// model.
func resolvePath(dir, key, value string) string {
	if filepath.IsAbs(value) || strings.Contains(value, "://") {
		return value
	}
	joined := filepath.Join(dir, value)
	if _, err := os.Stat(joined); key == "base" && isModelName(value) && err != nil {
		return value
	}
	return joined
}

// configKeys lists the keys of a configuration file: the flags of the selected command,
// sorted, without the one that names the file.
func configKeys(fileFlag string, ctx *kong.Context) []string {
	var names []string
	for _, flag := range ctx.Selected().Flags {
		if flag.Name != fileFlag {
			names = append(names, flag.Name)
		}
	}
	slices.Sort(names)
	return names
}
