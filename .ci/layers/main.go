// Command layers checks that data flows one way through the module: a package
// imports only what table.txt lists for it.
//
//	go run -C .ci ./layers            check
//	go run -C .ci ./layers -update    write the table anew from the tree
//
// The table has a line for each package, from the lowest to the highest. A line
// names the packages of this module that the package imports, all of which stand
// above it:
//
//	ken: delta kde safetensors
//	  tests: models/tiny
//
// The second line, if there is one, names what the package's tests import beside
// that. Tests may import packages further down. Comments begin with #; those above
// the first blank line belong to the table, others to the package below them.
//
// The check fails for a package without a line, for an import that is not
// listed, for a listed one that no longer exists, and for a package that stands
// above one that it imports. -update corrects the lists and keeps the order and
// the comments, so that the change shows in review; it places a new package below
// all that it imports.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const (
	module    = "kenserve"
	tablePath = "layers/table.txt"
)

// builds are the settings under which imports are collected: some files belong
// to one of them only.
var builds = []struct{ goos, goarch, tags string }{
	{"linux", "amd64", ""},
	{"linux", "amd64", "bucket"},
	{"linux", "amd64", "noasm"},
	{"linux", "arm64", ""},
	{"windows", "amd64", ""},
}

// set is a set of packages, named by their folders in the module.
type set map[string]bool

func (s set) sorted() []string { return slices.Sorted(maps.Keys(s)) }

// imports are a package's imports from this module.
type imports struct {
	code  set
	tests set // of its tests, beside those of its code
}

// row is a package's entry in the table.
type row struct {
	comment []string // comments and blank lines above it
	name    string
	imports
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("layers: ")
	update := flag.Bool("update", false, "write the table anew from the tree")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	tree, err := readTree()
	if err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(tablePath)
	if err != nil {
		log.Fatal(err)
	}
	header, body, _ := strings.Cut(string(text), "\n\n")
	rows, end, err := parse(body)
	if err != nil {
		log.Fatal(err)
	}
	if *update {
		rows = updated(rows, tree)
		if err := os.WriteFile(tablePath, []byte(header+"\n\n"+format(rows, end)), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	if faults := check(rows, tree); len(faults) > 0 {
		log.Fatal(strings.Join(faults, "\n"))
	}
}

// readTree returns the imports of every package of the module, under all builds.
func readTree() (map[string]imports, error) {
	tree := map[string]imports{}
	for _, b := range builds {
		list := exec.Command("go", "list", "-tags="+b.tags, "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
		list.Dir = ".."
		list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+b.goos, "GOARCH="+b.goarch)
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s/%s: %w", b.goos, b.goarch, err)
		}
		for d := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p struct {
				ImportPath                         string
				Imports, TestImports, XTestImports []string
			}
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("output of go list: %w", err)
			}
			name, _ := folder(p.ImportPath)
			if _, ok := tree[name]; !ok {
				tree[name] = imports{set{}, set{}}
			}
			add(tree[name].code, p.Imports, name)
			add(tree[name].tests, p.TestImports, name)
			add(tree[name].tests, p.XTestImports, name)
		}
	}
	for _, p := range tree {
		maps.DeleteFunc(p.tests, func(name string, _ bool) bool { return p.code[name] })
	}
	return tree, nil
}

// folder returns the folder of a package of this module.
func folder(path string) (name string, ok bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// add adds the packages of this module among paths, but not self.
func add(to set, paths []string, self string) {
	for _, path := range paths {
		if name, ok := folder(path); ok && name != self {
			to[name] = true
		}
	}
}

// parse reads a table's rows. end holds the comments below its last row.
func parse(text string) (rows []row, end []string, err error) {
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			end = append(end, line)
			continue
		}
		name, list, ok := strings.Cut(trimmed, ":")
		if !ok {
			return nil, nil, fmt.Errorf("%s: line %q has no colon after the package", tablePath, line)
		}
		packages := set{}
		for _, p := range strings.Fields(list) {
			packages[p] = true
		}
		switch {
		case line[0] != ' ':
			rows = append(rows, row{end, name, imports{packages, set{}}})
			end = nil
		case name == "tests" && len(rows) > 0:
			rows[len(rows)-1].tests = packages
		default:
			return nil, nil, fmt.Errorf("%s: line %q is indented but is not the tests of a package", tablePath, line)
		}
	}
	return rows, end, nil
}

func format(rows []row, end []string) string {
	var b strings.Builder
	lines := func(lines []string) {
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
	}
	for _, r := range rows {
		lines(r.comment)
		b.WriteString(strings.TrimSuffix(r.name+": "+strings.Join(r.code.sorted(), " "), " ") + "\n")
		if len(r.tests) > 0 {
			b.WriteString("  tests: " + strings.Join(r.tests.sorted(), " ") + "\n")
		}
	}
	lines(end)
	return b.String()
}

// check returns a line for each difference between the table and the tree.
func check(rows []row, tree map[string]imports) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	above := set{}
	for _, r := range rows {
		if above[r.name] {
			fault("%s has two lines in %s", r.name, tablePath)
		}
		p, ok := tree[r.name]
		if !ok {
			fault("%s is in %s but not in the module", r.name, tablePath)
		}
		for _, list := range []struct {
			label     string
			got, want set
		}{{"", p.code, r.code}, {"tests of ", p.tests, r.tests}} {
			for _, name := range list.got.sorted() {
				if !list.want[name] {
					fault("%s does not list %s for %s%s, which imports it", tablePath, name, list.label, r.name)
				}
			}
			for _, name := range list.want.sorted() {
				if ok && !list.got[name] {
					fault("%s lists %s for %s%s, which no longer needs it", tablePath, name, list.label, r.name)
				}
			}
		}
		for _, name := range r.code.sorted() {
			if !above[name] {
				fault("%s imports %s, which does not stand above it in %s", r.name, name, tablePath)
			}
		}
		above[r.name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if !above[name] {
			fault("%s has no line in %s", name, tablePath)
		}
	}
	return faults
}

// updated returns the rows with the imports of the tree, without packages that
// are gone and with those that are new.
func updated(rows []row, tree map[string]imports) []row {
	var out []row
	listed := set{}
	var comment []string // of removed rows: they may head a section
	for _, r := range rows {
		p, ok := tree[r.name]
		if !ok {
			comment = append(comment, r.comment...)
			continue
		}
		out = append(out, row{append(comment, r.comment...), r.name, p})
		listed[r.name], comment = true, nil
	}
	for {
		name, ok := nextNew(tree, listed)
		if !ok {
			return out
		}
		at := 0
		for i, r := range out {
			if tree[name].code[r.name] || tree[name].tests[r.name] {
				at = i + 1
			}
		}
		out = slices.Insert(out, at, row{nil, name, tree[name]})
		listed[name] = true
	}
}

// nextNew returns a package without a row all of whose imports have one.
func nextNew(tree map[string]imports, listed set) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if listed[name] {
			continue
		}
		if !slices.ContainsFunc(tree[name].code.sorted(), func(p string) bool { return !listed[p] }) {
			return name, true
		}
	}
	return "", false
}
