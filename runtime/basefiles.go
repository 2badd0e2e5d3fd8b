package runtime

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kenserve/delta"
	"kenserve/internal/regular"
	"kenserve/models"
	"kenserve/safetensors"
	"kenserve/tokenizer"
)

// baseFiles tells whether the files of a base are still those that it was read from.
// The base in memory does not depend on them, but a restart would load others. Its
// methods must not be called at the same time.
type baseFiles struct {
	dir         string
	settings    []string             // paths of the configuration, the index and the tokenizer's files, also of missing ones
	weights     []string             // paths
	digests     map[string]string    // of settings, as loaded; "" for a missing file
	sizes       map[string]int64     // of weights, as loaded, in bytes
	fingerprint string               // of the weights, as loaded
	seen        map[string]fileState // when the content was last compared
	different   map[string]string    // by path: why the file was another one then; "" if it was the same
}

// fileState is what the file system tells about a file without reading it. The zero
// value is a missing file.
type fileState struct {
	device, inode     uint64 // 0 if the system has none
	size              int64
	modified, changed int64 // in nanoseconds; changed is when the content or the inode changed, 0 if unknown
}

// describeFiles notes the files of a base that its settings are read from, before they
// are read.
func describeFiles(dir string) (*baseFiles, error) {
	f := &baseFiles{dir: dir, digests: map[string]string{}, sizes: map[string]int64{}, seen: map[string]fileState{}, different: map[string]string{}}
	names := append([]string{models.ConfigFile, safetensors.IndexFile}, tokenizer.FileNames()...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		path := filepath.Join(dir, name)
		state, err := stateOf(path)
		if err != nil {
			return nil, err
		}
		digest, err := digestOf(path)
		if err != nil {
			return nil, err
		}
		f.settings = append(f.settings, path)
		f.seen[path], f.digests[path] = state, digest
	}
	return f, nil
}

// addWeights notes the files of the weights, before they are read.
func (f *baseFiles) addWeights(paths []string) error {
	f.weights = paths
	for _, path := range paths {
		state, err := stateOf(path)
		if err != nil {
			return err
		}
		f.seen[path], f.sizes[path] = state, state.size
	}
	return nil
}

// touched returns the path of a file whose state is not the one that was last seen, or
// "" if there is none. A file whose state cannot be read counts as untouched: a file
// system that is away for a moment is no change.
func (f *baseFiles) touched() string {
	for _, path := range slices.Concat(f.settings, f.weights) {
		if state, err := stateOf(path); err == nil && state != f.seen[path] {
			return path
		}
	}
	return ""
}

// changed compares the content of the files that were touched with what was loaded. It
// returns why the files are not the same, and "" if they are. The error is one of
// reading a file.
func (f *baseFiles) changed() (why string, err error) {
	now := map[string]fileState{}
	paths := slices.Concat(f.settings, f.weights)
	for _, path := range paths {
		if now[path], err = stateOf(path); err != nil {
			return "", err
		}
	}
	touched := func(path string) bool { return now[path] != f.seen[path] }
	for _, path := range f.settings {
		if !touched(path) {
			continue
		}
		digest, err := digestOf(path)
		if err != nil {
			return "", err
		}
		if f.different[path] = ""; digest != f.digests[path] {
			f.different[path] = filepath.Base(path) + " is not the same"
		}
	}
	if slices.ContainsFunc(f.weights, touched) {
		if err := f.compareWeights(now); err != nil {
			return "", err
		}
	}
	f.seen = now
	for _, path := range paths {
		if f.different[path] != "" {
			return f.different[path], nil
		}
	}
	return "", nil
}

// compareWeights sets why each file of the weights is another one. It reads them only
// if their sizes do not tell.
func (f *baseFiles) compareWeights(now map[string]fileState) error {
	sizes := true
	for _, path := range f.weights {
		f.different[path] = ""
		switch {
		case now[path] == fileState{}:
			f.different[path], sizes = filepath.Base(path)+" is missing", false
		case now[path].size != f.sizes[path]:
			f.different[path], sizes = fmt.Sprintf("%s has %d bytes in place of %d", filepath.Base(path), now[path].size, f.sizes[path]), false
		}
	}
	if !sizes {
		return nil
	}
	fingerprint, err := fingerprintOf(f.dir)
	if err != nil && !errors.Is(err, safetensors.ErrCorrupt) {
		return err
	}
	if fingerprint != f.fingerprint {
		f.different[f.weights[0]] = "the weights are not the same"
	}
	return nil
}

// fingerprintOf returns the fingerprint of the weights in a folder. It reads them
// tensor by tensor.
func fingerprintOf(dir string) (string, error) {
	stream, err := safetensors.OpenStream(dir)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	fingerprint := delta.NewFingerprinter()
	var buffer []byte
	for _, name := range slices.Sorted(slices.Values(stream.Names())) {
		t, err := stream.Read(name, buffer)
		if err != nil {
			return "", err
		}
		fingerprint.Add(name, t)
		if len(t.Data) > len(buffer) {
			buffer = t.Data
		}
	}
	return fingerprint.Sum(), nil
}

// stateOf returns the state of a file, or of the one that a link leads to.
func stateOf(path string) (fileState, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fileState{}, nil
	}
	if err != nil {
		return fileState{}, err
	}
	state := fileState{size: info.Size(), modified: info.ModTime().UnixNano()}
	state.device, state.inode, state.changed = systemState(info)
	return state, nil
}

// digestOf returns the SHA-256 of a file's content, and "" if there is no file.
func digestOf(path string) (string, error) {
	file, _, err := regular.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return string(h.Sum(nil)), nil
}
