package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"

	"kenserve/runtime"
	"kenserve/tune/jobs"
)

// tuneFlags are the flags of serve about tuning.
type tuneFlags struct {
	TuneDir     string   `placeholder:"DIR" help:"Folder for jobs that tune tasks from labelled texts (POST /tasks/NAME/tune). It holds the texts until a job ends, and lets jobs go on after a restart (default: tuning is off)."`
	TuneWorkers int      `default:"1" placeholder:"N" help:"Number of cores that a job may use (default ${default}). The result does not depend on it."`
	MaxTuneData byteSize `default:"64MiB" placeholder:"BYTES" help:"Maximum size of the texts of a job in bytes (default ${default}); larger ones are refused with 413. Reading them takes up to 16 times as much memory."`
}

// open opens the jobs; nil: tuning is off.
func (f *tuneFlags) open(e *runtime.Engine, base string, log *slog.Logger) (*jobs.Jobs, error) {
	if f.TuneDir == "" {
		return nil, nil
	}
	if f.TuneWorkers < 1 || f.MaxTuneData < 1 {
		return nil, usageError{errors.New("serve: --tune-workers and --max-tune-data must be at least 1")}
	}
	program, err := ownProgram()
	if err != nil {
		return nil, fmt.Errorf("serve: find the program for the process of jobs: %w", err)
	}
	return jobs.Open(jobs.Config{
		Dir: f.TuneDir, BaseDir: base, BaseBytes: e.BaseFloat32Bytes(), Engine: e, Workers: f.TuneWorkers, MaxBytes: int64(f.MaxTuneData), Log: log,
		Producer: "kenserve " + version(), Command: func() *exec.Cmd { return &exec.Cmd{Path: program, Args: []string{os.Args[0], tuneJobName}} },
	})
}

// ownProgram returns the path of the program that runs. Linux has one that stays valid when
// the file is replaced by a newer version.
func ownProgram() (string, error) {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link, nil
	}
	return os.Executable()
}

// tuneJobName is the hidden command of the process of a job.
const tuneJobName = "tune-job"

// tuneJobCmd is the process of a job. The server starts it and writes its orders to its
// standard input.
type tuneJobCmd struct{}

func (*tuneJobCmd) Run(ctx context.Context, s streams) error {
	return jobs.Work(ctx, s.in, bare(s.out))
}
