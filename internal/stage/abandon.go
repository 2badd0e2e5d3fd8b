package stage

import (
	"context"
	"sync"
)

// live has the folders of this process, so that a process that is interrupted can remove
// them all at once. committing is held by each Commit, so that none is cut short.
var (
	committing sync.RWMutex
	live       = struct {
		sync.Mutex
		folders   map[*Folder]bool
		abandoned bool
	}{folders: map[*Folder]bool{}}
)

// Abandon removes all folders of this process. It waits for a Commit that has begun. After
// it no Commit begins and no folder is made. It is for a process that ends now, although goroutines still
// work.
func Abandon() {
	committing.Lock()
	defer committing.Unlock()
	live.Lock()
	live.abandoned = true
	var folders []*Folder
	for f := range live.folders {
		folders = append(folders, f)
	}
	live.Unlock()
	for _, f := range folders {
		_ = f.Remove()
	}
}

// beginCommit returns an error after Abandon.
func beginCommit() (end func(), err error) {
	committing.RLock()
	live.Lock()
	defer live.Unlock()
	if live.abandoned {
		committing.RUnlock()
		return nil, context.Canceled
	}
	return committing.RUnlock, nil
}

// remember returns an error after Abandon.
func remember(f *Folder) error {
	live.Lock()
	defer live.Unlock()
	if live.abandoned {
		return context.Canceled
	}
	live.folders[f] = true
	return nil
}

func forget(f *Folder) {
	live.Lock()
	defer live.Unlock()
	delete(live.folders, f)
}
