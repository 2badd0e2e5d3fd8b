// Command references checks that the Markdown documents name only what exists, and
// fails otherwise:
//
//   - a relative link leads to a file or folder, and its fragment to a heading;
//   - a name of a test, fuzz test or benchmark in code style, such as `TestReload`, is
//     that of a Go function;
//   - docs/robustness.md names each program of conformance/faults/cases, as case
//     `NAME`, and no other.
//
// Run it with:
//
//	go run -C .ci ./references
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	robustness = "docs/robustness.md"
	cases      = "conformance/faults/cases"
)

var (
	linkPattern     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	testPattern     = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	functionPattern = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
	casePattern     = regexp.MustCompile("case `([a-z-]+)`")
	codePattern     = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	headingPattern  = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("references: ")
	if err := os.Chdir(".."); err != nil {
		log.Fatal(err)
	}
	documents, tests := tracked("*.md"), functions(tracked("*_test.go"))
	var faults []string
	for _, path := range documents {
		text := read(path)
		for _, link := range links(text) {
			if fault := check(path, link); fault != "" {
				faults = append(faults, fault)
			}
		}
		for _, m := range testPattern.FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				faults = append(faults, fmt.Sprintf("%s names %s, and there is no such function", path, m[1]))
			}
		}
	}
	entries, err := os.ReadDir(cases)
	if err != nil {
		log.Fatal(err)
	}
	var programs []string
	for _, e := range entries {
		programs = append(programs, e.Name())
	}
	faults = append(faults, compareCases(read(robustness), programs)...)
	for _, f := range faults {
		fmt.Println(f)
	}
	if len(faults) > 0 {
		log.Fatalf("%d references are wrong", len(faults))
	}
}

// compareCases compares the cases that a text names with the programs that exist.
func compareCases(text string, programs []string) (faults []string) {
	var named []string
	for _, m := range casePattern.FindAllStringSubmatch(text, -1) {
		named = append(named, m[1])
		if !slices.Contains(programs, m[1]) {
			faults = append(faults, fmt.Sprintf("%s names case %s, and there is no such program", robustness, m[1]))
		}
	}
	for _, p := range programs {
		if !slices.Contains(named, p) {
			faults = append(faults, fmt.Sprintf("%s does not name case %s", robustness, p))
		}
	}
	return faults
}

// links returns the relative links of a document, without those in code.
func links(text string) (found []string) {
	for _, m := range linkPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(text, ""), -1) {
		if !strings.Contains(m[1], "://") && !strings.HasPrefix(m[1], "mailto:") {
			found = append(found, m[1])
		}
	}
	return found
}

// check returns what is wrong with a link of the document at path, or "".
func check(path, link string) string {
	target, fragment, _ := strings.Cut(link, "#")
	file := path
	if target != "" {
		file = filepath.Join(filepath.Dir(path), target)
	}
	if _, err := os.Stat(file); err != nil {
		return fmt.Sprintf("%s links to %s, which does not exist", path, link)
	}
	if fragment == "" || filepath.Ext(file) != ".md" {
		return ""
	}
	if !slices.Contains(fragments(read(file)), fragment) {
		return fmt.Sprintf("%s links to %s, which has no such heading", path, link)
	}
	return ""
}

// fragments returns the names of a document's headings in links, as GitHub makes them.
func fragments(text string) (names []string) {
	for _, m := range headingPattern.FindAllStringSubmatch(text, -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		names = append(names, name)
	}
	return names
}

// functions returns the names of all tests in files.
func functions(files []string) map[string]bool {
	names := map[string]bool{}
	for _, path := range files {
		for _, m := range functionPattern.FindAllStringSubmatch(read(path), -1) {
			names[m[1]] = true
		}
	}
	return names
}

// tracked lists the files that match a pattern of git and are no testdata.
func tracked(pattern string) (files []string) {
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", pattern).Output()
	if err != nil {
		log.Fatalf("list the files of %s: %v", pattern, err)
	}
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSuffix(path, "\n")
		if _, err := os.Stat(path); err == nil && !strings.Contains(path, "testdata/") {
			files = append(files, path)
		}
	}
	return files
}

func read(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	return string(data)
}
