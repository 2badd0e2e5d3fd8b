// Package fault turns faults in mapped files into errors. A mapped file that somebody
// cuts has no bytes any more behind its end, and reading them is a fault of the process,
// which ends it unless the goroutine that reads asks for a panic instead.
package fault

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// errFile means that a mapped file could not be read.
var errFile = errors.New("a file that is being read was cut or cannot be read any more; run again when nobody writes to it")

// Contain makes a fault in mapped memory, on this goroutine and until the function that it
// returns is called, an [errFile] in err. Other panics go on. Use it at the top of every
// goroutine that reads mapped files:
//
//	defer fault.Contain(&err)()
func Contain(err *error) (end func()) {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		reason := recover()
		if reason == nil {
			return
		}
		if f, ok := reason.(interface {
			runtime.Error
			Addr() uintptr
		}); ok {
			*err = fmt.Errorf("%w (address %#x)", errFile, f.Addr())
			return
		}
		panic(reason)
	}
}
