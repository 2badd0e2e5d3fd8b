// Command binary builds kenserve with the command of README.md and checks that the
// program is static and not too large.
//
//	go run -C .ci ./binary
//
// It also builds it with the tag bucket, for which there is no limit of size.
package main

import (
	"debug/elf"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// command is how README.md builds the program.
const command = "CGO_ENABLED=0 go build -o kenserve ./cmd/serve"

// maxSize is the largest program in bytes that `go build` may make, without
// options that strip it. The cloud clients of the tag bucket alone would exceed
// it.
const maxSize = 62_000_000

func main() {
	log.SetFlags(0)
	log.SetPrefix("binary: ")
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		return err
	}
	if !strings.Contains(string(readme), "\n"+command+"\n") {
		return fmt.Errorf("README.md no longer builds the program with %q: change command here too", command)
	}
	dir, err := os.MkdirTemp("", "binary")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, tags := range []string{"", "bucket"} {
		program := filepath.Join(dir, "kenserve"+tags)
		build := exec.Command("go", "build", "-tags="+tags, "-o", program, "./cmd/serve")
		build.Dir = ".."
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("go build -tags=%q: %w", tags, err)
		}
		info, err := os.Stat(program)
		if err != nil {
			return err
		}
		fmt.Printf("go build -tags=%q: %.1f MB\n", tags, float64(info.Size())/1e6)
		if tags == "" && info.Size() > maxSize {
			return fmt.Errorf("the program has %d bytes, more than %d: look for a new dependency with `go tool nm -size -sort size`", info.Size(), maxSize)
		}
		if err := checkStatic(program); err != nil {
			return fmt.Errorf("go build -tags=%q: %w", tags, err)
		}
	}
	return nil
}

// checkStatic returns an error if a program needs a dynamic linker or a library.
func checkStatic(program string) error {
	file, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("the program is not static: it needs a dynamic linker")
		}
	}
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return err
	}
	if len(libraries) > 0 {
		return fmt.Errorf("the program is not static: it needs %s", strings.Join(libraries, ", "))
	}
	return nil
}
