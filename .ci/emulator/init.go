//go:build ignore

// The first and only process of the machine that .ci/emulator/run emulates: it
// runs /test with the arguments that stand in /arguments, one a line, and
// switches the machine off.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

func main() {
	_ = syscall.Mount("proc", "/proc", "proc", 0, "")
	_ = syscall.Mount("dev", "/dev", "devtmpfs", 0, "")
	_ = syscall.Mount("tmp", "/tmp", "tmpfs", 0, "")
	text, err := os.ReadFile("/arguments")
	if err == nil {
		c := exec.Command("/test", strings.Fields(string(text))...)
		c.Stdout, c.Stderr = os.Stdout, os.Stdout
		c.Env = []string{"PATH=/", "HOME=/tmp", "TMPDIR=/tmp"}
		c.Dir = "/tmp"
		err = c.Run()
	}
	fmt.Printf("\nemulator: the test's end: %v\n", err)
	syscall.Sync()
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}
