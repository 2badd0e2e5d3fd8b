// Command notice writes NOTICE: the licences of the third-party code that the
// kenserve program contains.
//
//	go run -C .ci ./notice
//
// It asks `go list -deps` which modules the program contains, on every platform
// and with and without the tag bucket, and collects the licence and notice files
// of each: in the module's root and in every folder between the root and a
// package in use. A module without one is an error. Modules with the same text
// share one copy of it. Texts count as the same if they differ only in copyright
// lines, which are listed with the module, and in white space. A file that holds
// the Apache licence and others after it counts as two texts.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const program = "./cmd/serve"

// platforms are those whose files may import modules that others do not need.
var platforms = []struct{ goos, goarch string }{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

// module is a module that the program contains.
type module struct {
	path, version, dir string
	folders            map[string]bool // that hold packages in use
	bucketOnly         bool            // in builds with the tag bucket only
}

// text is a licence or notice that one or more modules share.
type text struct {
	body   string
	owners []owner
}

// owner is a module's file with a text, and the copyright lines in it.
type owner struct {
	module     *module
	file       string // from the module's root
	copyrights []string
}

var (
	licenceFile   = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense|notice)([-._].*)?$`)
	noticeFile    = regexp.MustCompile(`(?i)(^|/)notice[^/]*$`)
	licenceFolder = regexp.MustCompile(`(?i)licen[cs]es`)
	copyrightLine = regexp.MustCompile(`^\W*Copyright\b.*(\d{4}|\(c\)|©)`)
	apacheTitle   = regexp.MustCompile(`^\s*Apache License\s+Version 2.0`)
	// The appendix explains how to apply the Apache licence and is not part of it.
	apacheEnd = regexp.MustCompile(`(?s)END OF TERMS AND CONDITIONS(.*?APPENDIX: .*?limitations under the License\.)?`)
)

// furtherFiles are the files that apply of those in a module's folder of licences.
// A module with such a folder has to be here.
var furtherFiles = map[string][]string{
	// LICENSE lets the user choose between this one and the GPL.
	"github.com/golang/freetype": {"licenses/ftl.txt"},
	// The others are of packages that the program does not contain.
	"gonum.org/v1/gonum": {"THIRD_PARTY_LICENSES/Go-LICENSE"},
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("notice: ")
	modules, err := contained()
	if err != nil {
		log.Fatal(err)
	}
	texts, err := collect(modules)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("../NOTICE", []byte(render(modules, texts)), 0o644); err != nil {
		log.Fatal(err)
	}
}

// contained returns the modules of the program, sorted by path, and Go's own
// library, which comes first.
func contained() ([]*module, error) {
	found := map[string]*module{}
	for _, tags := range []string{"", "bucket"} {
		for _, p := range platforms {
			list := exec.Command("go", "list", "-deps", "-tags="+tags, "-json=Dir,Standard,Module", program)
			list.Dir = ".."
			list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.goos, "GOARCH="+p.goarch)
			list.Stderr = os.Stderr
			out, err := list.Output()
			if err != nil {
				return nil, fmt.Errorf("go list for %s/%s: %w", p.goos, p.goarch, err)
			}
			for d := json.NewDecoder(strings.NewReader(string(out))); ; {
				var p struct {
					Dir      string
					Standard bool
					Module   struct {
						Path, Version, Dir string
						Main               bool
						Replace            *struct{ Version string }
					}
				}
				if err := d.Decode(&p); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					return nil, fmt.Errorf("output of go list: %w", err)
				}
				// A module replaced by a folder of this repository is our own code.
				m := p.Module
				if p.Standard || m.Main || m.Replace != nil && m.Replace.Version == "" {
					continue
				}
				if found[m.Path] == nil {
					found[m.Path] = &module{m.Path, m.Version, m.Dir, map[string]bool{}, tags != ""}
				}
				found[m.Path].folders[p.Dir] = true
			}
		}
	}
	sorted := slices.SortedFunc(maps.Values(found), func(a, b *module) int { return cmp.Compare(a.path, b.path) })
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	// No version: who builds the program chooses the toolchain.
	std := &module{path: "The Go standard library", dir: strings.TrimSpace(string(root)), folders: map[string]bool{}}
	return append([]*module{std}, sorted...), nil
}

// collect returns the texts of all modules: licences, by number of modules, and
// then notices.
func collect(modules []*module) ([]*text, error) {
	texts := map[string]*text{} // by normalised body
	for _, m := range modules {
		files, err := m.files()
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s has no licence file in %s", m.path, m.dir)
		}
		for _, file := range files {
			raw, err := os.ReadFile(filepath.Join(m.dir, file))
			if err != nil {
				return nil, err
			}
			for _, part := range parts(string(raw)) {
				body, copyrights := strings.Trim(part, "\n"), []string(nil)
				if !noticeFile.MatchString(file) {
					body, copyrights = split(part)
				}
				key := strings.ToLower(strings.Join(strings.Fields(body), " "))
				if texts[key] == nil {
					texts[key] = &text{body: body}
				}
				texts[key].owners = append(texts[key].owners, owner{m, file, copyrights})
			}
		}
	}
	return slices.SortedFunc(maps.Values(texts), func(a, b *text) int {
		return cmp.Or(cmp.Compare(len(b.owners), len(a.owners)),
			cmp.Compare(a.owners[0].module.path, b.owners[0].module.path), cmp.Compare(a.owners[0].file, b.owners[0].file))
	}), nil
}

// files returns the module's licence files, from its root.
func (m *module) files() ([]string, error) {
	folders := map[string]bool{m.dir: true}
	for f := range m.folders {
		for ; f != m.dir; f = filepath.Dir(f) {
			folders[f] = true
		}
	}
	var files []string
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.IsDir() && licenceFolder.MatchString(e.Name()) && furtherFiles[m.path] == nil {
				return nil, fmt.Errorf("%s has a folder %s: name the files that apply in furtherFiles", m.path, e.Name())
			}
			if e.Type().IsRegular() && licenceFile.MatchString(e.Name()) && filepath.Ext(e.Name()) != ".go" {
				file, err := filepath.Rel(m.dir, filepath.Join(folder, e.Name()))
				if err != nil {
					return nil, err
				}
				files = append(files, filepath.ToSlash(file))
			}
		}
	}
	return append(files, furtherFiles[m.path]...), nil
}

// parts returns the Apache licence that a file begins with, without its appendix,
// and the texts that follow it; of other files, the whole.
func parts(raw string) []string {
	raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\ufeff", "")
	end := apacheEnd.FindStringIndex(raw)
	if !apacheTitle.MatchString(raw) || end == nil {
		return []string{raw}
	}
	const last = "END OF TERMS AND CONDITIONS"
	apache := raw[:end[0]] + last
	// Some projects fill in their name where the appendix shows how to.
	for line := range strings.Lines(raw[end[0]:end[1]]) {
		if copyrightLine.MatchString(line) && !strings.Contains(line, "yyyy") {
			apache = line + apache
		}
	}
	rest := strings.Trim(raw[end[1]:], " \t\n-=")
	if rest == "" {
		return []string{apache}
	}
	return []string{apache, rest}
}

// headLines is how many lines at the top of a licence may name its owners. In
// files that hold more than one licence, lines further down stay with theirs.
const headLines = 8

// split returns a licence's text without the copyright lines at its top, and
// those.
func split(text string) (body string, copyrights []string) {
	var lines []string
	for i, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		line = strings.TrimRight(line, " \t")
		if i < headLines && copyrightLine.MatchString(line) && !strings.HasSuffix(line, " by") {
			copyrights = append(copyrights, strings.TrimSpace(line))
			continue
		}
		if line != "" || len(lines) > 0 && lines[len(lines)-1] != "" {
			lines = append(lines, line)
		}
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n"), copyrights
}

const heading = `kenserve contains the third-party software listed here, under the licences
that follow. kenserve itself is licensed under the terms of the file LICENSE.

Modules marked with + are only in programs built with the tag bucket, such as
the one in the container image.

This file is generated: go run -C .ci ./notice
`

func render(modules []*module, texts []*text) string {
	var b strings.Builder
	b.WriteString(heading)
	numbers := map[*module][]string{}
	for i, t := range texts {
		for _, o := range t.owners {
			numbers[o.module] = append(numbers[o.module], fmt.Sprint(i+1))
		}
	}
	b.WriteString("\nModules, with the numbers of their texts\n\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "%s %s: %s\n", m.mark(), strings.TrimSpace(m.path+" "+m.version), strings.Join(numbers[m], ", "))
	}
	for i, t := range texts {
		fmt.Fprintf(&b, "\n%s\n\nText %d\n\n", strings.Repeat("=", 80), i+1)
		for _, o := range t.owners {
			fmt.Fprintf(&b, "%s %s, %s\n", o.module.mark(), o.module.path, o.file)
			for _, c := range o.copyrights {
				fmt.Fprintf(&b, "      %s\n", c)
			}
		}
		if t.body != "" {
			fmt.Fprintf(&b, "\n%s\n", t.body)
		}
	}
	return b.String()
}

func (m *module) mark() string {
	if m.bucketOnly {
		return "+"
	}
	return " "
}
