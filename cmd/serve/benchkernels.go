package main

import (
	"encoding/json"
	"fmt"
	goruntime "runtime"
	"text/tabwriter"
	"time"

	"kenserve/bench"
)

type benchKernelsCmd struct {
	Threads int           `placeholder:"N" help:"Number of cores to use for products (default: all)."`
	Time    time.Duration `default:"100ms" placeholder:"TIME" help:"Duration of the measurement of each figure (default ${default})."`
	JSON    bool          `name:"json" help:"Print the result as JSON."`
}

func (c *benchKernelsCmd) Run(s streams) error {
	if c.Threads < 0 || c.Time < 0 {
		return usageError{fmt.Errorf("bench: --threads is %d and --time is %v; neither may be negative", c.Threads, c.Time)}
	}
	if c.Threads > 0 {
		defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(c.Threads))
	}
	bar := newProgress(s.err, "figures", bench.KernelFigures())
	f, err := bench.Kernels(c.Time, bar.add)
	bar.finish()
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(s.out).Encode(f)
	}
	return printKernels(s, f)
}

func printKernels(s streams, f *bench.KernelReport) error {
	fmt.Fprintf(s.out, "%s kernels: peak %.1f GFLOP/s a core; copying %.1f GB/s, read and written\n\n", f.Kernels, f.PeakGFLOPS, f.CopyGBPS)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "product\trows\tof peak\tof %d cores' peak\t\n", f.Threads)
	for _, p := range f.Products {
		fmt.Fprintf(w, "%d×%d\t%d\t%.2f\t%.2f\t\n", p.N, p.K, p.Rows, p.Single, p.All)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprint(s.out, "\nmaterialise: time as a ratio to copying, one after the other as a task has them; rows: a patched product to a plain one\n")
	fmt.Fprint(w, "patch\tkept\tmatrix\tmaterialise")
	for _, rows := range f.Patches[0].Rows {
		fmt.Fprintf(w, "\t%d rows", rows)
	}
	fmt.Fprintln(w, "\t")
	for _, p := range f.Patches {
		fmt.Fprintf(w, "%s\t%g\t%d×%d\t%.2f", p.Coding, p.Keep, p.N, p.K, p.Materialise)
		for _, o := range p.Overlay {
			fmt.Fprintf(w, "\t%.2f", o)
		}
		fmt.Fprintln(w, "\t")
	}
	return w.Flush()
}
