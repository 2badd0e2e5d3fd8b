package safetensors

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edsrzf/mmap-go"
)

// TestSpareRegions: a region goes to a file of about its size, the sum is bounded, and
// no region stays longer than its time.
func TestSpareRegions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s spareRegions
		region := func(size int) mmap.MMap {
			r, err := newRegion(size)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		give := func(size int) {
			if err := s.give(region(size)); err != nil {
				t.Fatal(err)
			}
		}
		kept := func() (bytes, regions int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.bytes, len(s.regions)
		}
		give(minSpare - 1)
		give(SpareBytes + 1)
		if bytes, _ := kept(); bytes != 0 {
			t.Errorf("%d bytes kept of regions that are too small and too large", bytes)
		}
		give(16 << 20)
		for _, c := range []struct {
			size int
			want bool
		}{{16<<20 + 1, false}, {15 << 20, false}, {16<<20 - 1<<19, true}, {16<<20 - 1<<19, false}} {
			r := s.take(c.size)
			if (r != nil) != c.want {
				t.Errorf("take %d: %v, want %v", c.size, r != nil, c.want)
			}
			if r != nil {
				if err := r.Unmap(); err != nil {
					t.Error(err)
				}
			}
		}
		for range 5 {
			give(10 << 20)
		}
		if bytes, regions := kept(); bytes != 30<<20 || regions != 3 {
			t.Errorf("%d bytes in %d regions, want 3 of 10 MiB", bytes, regions)
		}
		time.Sleep(spareTime - 1)
		synctest.Wait()
		if _, regions := kept(); regions != 3 {
			t.Errorf("%d regions before their time, want 3", regions)
		}
		time.Sleep(1)
		synctest.Wait()
		if bytes, regions := kept(); bytes != 0 || regions != 0 {
			t.Errorf("%d bytes in %d regions after their time", bytes, regions)
		}
	})
}

// TestLoadIntoSpareRegion: a file that is read into the memory of a longer one has its own
// bytes and no others, and a file that is closed twice gives its memory away once.
func TestLoadIntoSpareRegion(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	dir := t.TempDir()
	for i, n := range []int{3 << 20, 3<<20 - 12345, 2<<20 + 7, 3<<20 - 1, 1 << 10} {
		path := filepath.Join(dir, strconv.Itoa(i))
		data := make([]byte, n)
		_, _ = random.Read(data) // never fails
		entry := Entry{Name: "x", DType: U8, Shape: []int{n}, WriteTo: func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		}}
		if err := WriteFile(path, nil, []Entry{entry}); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var open []*File
		for range 3 { // the second has a region of its own, the third that of the first
			f, err := Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(f.Data(), want) {
				t.Errorf("%d bytes: other bytes than the file's", n)
			}
			open = append(open, f)
			if len(open) == 2 {
				if err := errors.Join(open[0].Close(), open[0].Close()); err != nil {
					t.Error(err)
				}
			}
		}
		if !bytes.Equal(open[1].Data(), want) || !bytes.Equal(open[2].Data(), want) {
			t.Errorf("%d bytes: an open file has changed", n)
		}
		if err := errors.Join(open[1].Close(), open[2].Close()); err != nil {
			t.Error(err)
		}
	}
}
