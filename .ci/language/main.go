// Command language finds phrases in comments, messages and documentation that a
// reader with English as a second language has to decode, and fails if there are
// any.
//
//	go run -C .ci ./language            file:line, phrase, and a plainer way
//	go run -C .ci ./language -count     the number of findings of each top folder
//
// phrases.txt has the phrases. The text of a comment, a Markdown paragraph or cell,
// or a string is cut into sentences first, so that a phrase is also found across
// lines. In Go, strings are read besides comments; of struct tags only the help.
// Generated files and testdata are left out, but for test scripts.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/scanner"
	"go/token"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const phrasesPath = "language/phrases.txt"

// phrase is a line of phrases.txt.
type phrase struct {
	pattern *regexp.Regexp
	start   bool // the pattern is for the beginning of a sentence
	advice  string
}

// text is a run of prose, with the line of each of its bytes.
type text struct {
	prose   bool // sentences; otherwise a string of a program
	content strings.Builder
	lines   []int
}

// add adds a line of prose.
func (t *text) add(s string, line int) {
	s = strings.TrimSpace(s)
	if s == "" {
		return
	}
	if t.content.Len() > 0 {
		s = " " + s
	}
	t.content.WriteString(s)
	for range len(s) {
		t.lines = append(t.lines, line)
	}
}

type finding struct {
	file   string
	line   int
	words  string
	advice string
}

type language struct {
	phrases  []phrase
	except   []*regexp.Regexp
	findings []finding
	file     string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("language: ")
	count := flag.Bool("count", false, "print the number of findings of each top folder")
	flag.Parse()
	l := &language{}
	if err := l.readPhrases(); err != nil {
		log.Fatal(err)
	}
	list := exec.Command("git", "ls-files")
	list.Dir = ".."
	list.Stderr = os.Stderr
	files, err := list.Output()
	if err != nil {
		log.Fatalf("git ls-files: %v", err)
	}
	for file := range strings.Lines(string(files)) {
		if file = strings.TrimSpace(file); excluded(file) {
			continue
		}
		content, err := os.ReadFile(filepath.Join("..", file))
		if os.IsNotExist(err) { // removed, but not yet in a commit
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		l.file = file
		l.read(content)
	}
	counts := map[string]int{}
	for _, f := range l.findings {
		top, _, _ := strings.Cut(f.file, "/")
		counts[top]++
		if !*count {
			fmt.Printf("%s:%d: %q: %s\n", f.file, f.line, f.words, f.advice)
		}
	}
	if *count {
		for _, top := range slices.Sorted(maps.Keys(counts)) {
			fmt.Printf("%4d %s\n", counts[top], top)
		}
	}
	if len(l.findings) > 0 {
		log.Fatalf("%d phrases to write in a plainer way", len(l.findings))
	}
}

var (
	// Texts of others, generated files, and files that hold no prose.
	excludedFile = regexp.MustCompile(`^LICENSE$|^NOTICE$|^docs/cli\.md$|\.pb\.go$|^examples/demo/base/|` +
		`\.(json|gz|png|svg|txt|ken|sum|mod)$`)
	// The phrases themselves, and examples of them.
	ownFile = regexp.MustCompile(`^\.ci/language/`)
)

func excluded(file string) bool {
	if strings.Contains(file, "/testdata/") && filepath.Ext(file) != ".txtar" {
		return true
	}
	return excludedFile.MatchString(file) || ownFile.MatchString(file)
}

func (l *language) readPhrases() error {
	content, err := os.ReadFile(phrasesPath)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		pattern, advice, _ := strings.Cut(line, "\t")
		advice = strings.TrimSpace(advice)
		exception, isException := strings.CutPrefix(pattern, "except ")
		if isException {
			pattern = exception
		} else if advice == "" {
			return fmt.Errorf("%s: %q has no advice after a tab", phrasesPath, line)
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return fmt.Errorf("%s: %w", phrasesPath, err)
		}
		if isException {
			l.except = append(l.except, re)
		} else {
			l.phrases = append(l.phrases, phrase{re, strings.HasPrefix(pattern, "^"), advice})
		}
	}
	return nil
}

// read finds the phrases of a file.
func (l *language) read(content []byte) {
	switch ext := filepath.Ext(l.file); {
	case ext == ".go":
		l.readGo(content)
	case ext == ".md":
		l.readMarkdown(content)
	case bytes.IndexByte(content, 0) >= 0:
	default:
		l.readComments(content)
	}
}

var help = regexp.MustCompile(`\bhelp:"`)

// readGo reads comments and strings.
func (l *language) readGo(content []byte) {
	var s scanner.Scanner
	files := token.NewFileSet()
	file := files.AddFile(l.file, -1, len(content))
	s.Init(file, content, nil, scanner.ScanComments)
	var comment *text
	last := 0 // line of the comment's end
	flush := func() {
		if comment != nil {
			l.check(comment)
			comment = nil
		}
	}
	for {
		pos, tok, literal := s.Scan()
		line := file.Line(pos)
		switch tok {
		case token.EOF:
			flush()
			return
		case token.COMMENT:
			if bytes.HasPrefix([]byte(literal), []byte("// Code generated")) {
				return
			}
			if comment == nil || line > last+1 {
				flush()
				comment = &text{prose: true}
			}
			for i, part := range strings.Split(literal, "\n") {
				part = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(part, "//"), "/*"), "*/")
				// A blank line, an indented one (code) and a list item end a paragraph.
				if trimmed := strings.TrimSpace(part); trimmed == "" || strings.HasPrefix(part, "\t") || strings.HasPrefix(trimmed, "- ") {
					flush()
					comment = &text{prose: true}
					part = strings.TrimPrefix(trimmed, "- ")
				}
				if !strings.HasPrefix(part, "go:") {
					comment.add(part, line+i)
				}
				last = line + i
			}
		case token.STRING:
			value, err := strconv.Unquote(literal)
			if err != nil {
				continue
			}
			t := &text{}
			if help.MatchString(value) {
				value = reflect.StructTag(value).Get("help")
				t.prose = true
			}
			t.add(value, line)
			l.check(t)
		}
	}
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`")
	listItem   = regexp.MustCompile(`^\s*([-*]|\d+\.) `)
	emphasis   = regexp.MustCompile(`\*\*|\]\([^)]*\)|\[`)
)

// readMarkdown reads paragraphs, headings, list items and cells of tables.
func (l *language) readMarkdown(content []byte) {
	t := &text{prose: true}
	flush := func() {
		l.check(t)
		t = &text{prose: true}
	}
	code := false
	for i, line := range strings.Split(string(content), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			flush()
			continue
		}
		if code || strings.HasPrefix(line, "    ") && t.content.Len() == 0 {
			continue
		}
		line = emphasis.ReplaceAllString(inlineCode.ReplaceAllString(line, "CODE"), "")
		switch {
		case strings.TrimSpace(line) == "":
			flush()
		case strings.HasPrefix(line, "#"):
			flush()
			t.add(strings.TrimLeft(line, "# "), i+1)
			flush()
		case strings.HasPrefix(line, "|"):
			flush()
			for cell := range strings.SplitSeq(line, "|") {
				t.add(cell, i+1)
				flush()
			}
		default:
			if item := listItem.FindString(line); item != "" {
				flush()
				line = line[len(item):]
			}
			t.add(line, i+1)
		}
	}
	flush()
}

var commentLine = regexp.MustCompile(`^\s*(#+|//+|/\*+|\*+/?|;+|<!--)(\s|$)`)

// readComments reads whole lines that are comments, and the docstrings of Python.
func (l *language) readComments(content []byte) {
	t := &text{prose: true}
	docstring := false
	python := filepath.Ext(l.file) == ".py"
	for i, line := range strings.Split(string(content), "\n") {
		quotes := 0
		if python {
			quotes = strings.Count(line, `"""`)
		}
		marker := commentLine.FindString(line)
		if marker == "" && !docstring && quotes == 0 || strings.TrimSpace(line) == strings.TrimSpace(marker) {
			l.check(t)
			t = &text{prose: true}
		} else {
			t.add(strings.TrimSuffix(strings.ReplaceAll(line[len(marker):], `"""`, ""), "*/"), i+1)
		}
		if quotes%2 == 1 {
			docstring = !docstring
		}
	}
	l.check(t)
}

// sentenceEnd matches the end of a sentence, or of the part before a colon that
// introduces another one.
var sentenceEnd = regexp.MustCompile(`[.!?:]["')]* `)

// check finds the phrases of a text.
func (l *language) check(t *text) {
	content := t.content.String()
	for start := 0; start < len(content); {
		end := len(content)
		if m := sentenceEnd.FindStringIndex(content[start:]); m != nil {
			end = start + m[1]
		}
		l.checkSentence(t, start, strings.TrimSpace(content[start:end]))
		start = end
	}
}

func (l *language) checkSentence(t *text, start int, sentence string) {
	for _, e := range l.except {
		if e.MatchString(sentence) {
			return
		}
	}
	for _, p := range l.phrases {
		if p.start && (!t.prose || strings.HasSuffix(sentence, "?")) {
			continue
		}
		for _, m := range p.pattern.FindAllStringIndex(sentence, -1) {
			l.findings = append(l.findings, finding{l.file, t.lines[start+m[0]], sentence[m[0]:m[1]], p.advice})
		}
	}
}
