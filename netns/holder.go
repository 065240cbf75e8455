package netns

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// holders says for people who holds the flock on a file.
func holders(file *os.File) string {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return "it is not known which: " + err.Error()
	}
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return "it is not known which: " + err.Error()
	}
	return holdersIn(string(text), st.Dev, st.Ino)
}

// maxNames is how many holders are named: any number can share a lock, and the
// error is read in a few kilobytes of a pod's status.
const maxNames = 3

func holdersIn(text string, dev, ino uint64) string {
	pids := lockPIDs(text, dev, ino)
	if pids == nil {
		// locks_show in fs/locks.c leaves out what has no id here.
		return "one in another PID namespace, which /proc/locks does not show here"
	}
	var names []string
	for _, pid := range pids[:min(len(pids), maxNames)] {
		names = append(names, process(pid))
	}
	if more := len(pids) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// process names a process for people. Its name is its own choice, so it is
// quoted.
func process(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d, which has ended, and left a child that has the lock's file open", pid)
	}
	return fmt.Sprintf("process %d (%q)", pid, strings.TrimSuffix(string(comm), "\n"))
}

// lockPIDs returns the processes that hold an flock on a file, by the text of
// /proc/locks (proc_locks(5)): a line such as
//
//	3: FLOCK  ADVISORY  WRITE 4711 00:04:4026532281 0 EOF
//
// and one with "->" before FLOCK for each that waits. The process is the one that
// took the lock; a child that inherited the file is not named.
func lockPIDs(text string, dev, ino uint64) []int {
	file := fmt.Sprintf("%02x:%02x:%d", unix.Major(dev), unix.Minor(dev), ino)
	var pids []int
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || f[5] != file {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}
