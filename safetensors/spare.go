package safetensors

import (
	"errors"
	"sync"
	"time"

	"github.com/edsrzf/mmap-go"
)

// SpareBytes bounds the memory that closed files leave to the next ones; see [Load].
const SpareBytes = 32 << 20

const (
	// minSpare is the size from which on a region is kept. Smaller ones are filled fast.
	minSpare = 1 << 20
	// spareTime is how long a region is kept. In a server that is short of memory, one
	// delta replaces another within moments.
	spareTime = 10 * time.Second
)

// spareRegions are regions of closed files. Memory that is new to the process is cleared
// by the system, page by page, which takes about twice as long as reading the file into it.
// The zero value is ready for use.
type spareRegions struct {
	mu      sync.Mutex
	regions []spareRegion // in the order of their time
	bytes   int
}

type spareRegion struct {
	mmap.MMap
	until time.Time
}

var spares spareRegions

// take returns a region for size bytes, or nil. It is at most a sixteenth larger, because
// who counts memory counts the file. Its content is arbitrary.
func (s *spareRegions) take(size int) mmap.MMap {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.regions {
		if len(r.MMap) >= size && len(r.MMap) <= size+size/16 {
			s.regions = append(s.regions[:i], s.regions[i+1:]...)
			s.bytes -= len(r.MMap)
			return r.MMap
		}
	}
	return nil
}

// give keeps a region that nobody uses any more, or unmaps it. Older regions make room.
func (s *spareRegions) give(region mmap.MMap) error {
	if len(region) < minSpare || len(region) > SpareBytes {
		return region.Unmap()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	for s.bytes+len(region) > SpareBytes {
		err = errors.Join(err, s.dropLocked())
	}
	s.regions = append(s.regions, spareRegion{region, time.Now().Add(spareTime)})
	s.bytes += len(region)
	time.AfterFunc(spareTime, s.expire)
	return err
}

// expire unmaps the regions whose time is over.
func (s *spareRegions) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.regions) > 0 && !time.Now().Before(s.regions[0].until) {
		_ = s.dropLocked() // nobody waits for it, and the process goes on with a little less memory
	}
}

// dropLocked unmaps the oldest region.
func (s *spareRegions) dropLocked() error {
	oldest := s.regions[0]
	s.regions = s.regions[1:]
	s.bytes -= len(oldest.MMap)
	return oldest.Unmap()
}
