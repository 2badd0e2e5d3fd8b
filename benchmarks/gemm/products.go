//go:build linux

// Command products times matrix products of package gemm on one core for
// compare.py. It answers each line "compute n k rows" of standard input with the
// seconds of one product, and a line "peak" with the operations per second of a loop
// of multiplications and additions. It counts the thread's own processor time, so
// that other programs may run at the same time.
package main

import (
	"bufio"
	"fmt"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"kenserve/gemm"
	"kenserve/gemm/kernel"
)

// threadTime returns the processor time of the calling thread in seconds.
func threadTime() float64 {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		log.Fatalf("products: read the thread's clock: %v", err)
	}
	return float64(t.Sec) + float64(t.Nsec)*1e-9
}

type shape struct {
	compute    gemm.Compute
	n, k, rows int
}

type product struct {
	m    *gemm.Matrix
	a, c gemm.View
}

func newProduct(s shape) product {
	r := rand.New(rand.NewPCG(1, 2))
	fill := func(x []float32) {
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
	}
	view := func(rows, cols int) gemm.View {
		stride := gemm.Stride(cols)
		v := gemm.View{Data: make([]float32, rows*stride), Rows: rows, Cols: cols, Stride: stride}
		fill(v.Data)
		return v
	}
	m := gemm.Pack(s.n, s.k, func(_ int, row []float32) { fill(row) })
	return product{m.As(s.compute), view(s.rows, s.k), view(s.rows, s.n)}
}

func main() {
	log.SetFlags(0)
	runtime.LockOSThread()
	products := map[shape]product{}
	peak := 0.0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "peak" {
			peak = math.Max(peak, kernel.Peak(2*time.Millisecond))
			fmt.Println(peak)
			continue
		}
		var s shape
		var name string
		if _, err := fmt.Sscan(in.Text(), &name, &s.n, &s.k, &s.rows); err != nil {
			log.Fatalf("products: read %q: %v", in.Text(), err)
		}
		if err := s.compute.UnmarshalText([]byte(name)); err != nil {
			log.Fatalf("products: read %q: %v", in.Text(), err)
		}
		p, ok := products[s]
		if !ok {
			p = newProduct(s)
			products[s] = p
		}
		p.m.Mul(nil, p.c, p.a, gemm.Epilogue{}) // brings the weights into cache, as far as they fit
		start := threadTime()
		p.m.Mul(nil, p.c, p.a, gemm.Epilogue{})
		fmt.Println(threadTime() - start)
	}
}
