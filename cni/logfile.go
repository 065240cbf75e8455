package cni

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// LogWriter is the name, argv[0], under which the program appends its standard
// input to a file, its argument. The plugin starts itself under that name for
// log_file: a process that waits for a disk which does not answer cannot be
// ended, not even by a kill, and the runtime waits for the plugin.
const LogWriter = "shunt-log-writer"

// WriteLog is the program in that role. What is wrong with the file goes to
// standard output. It returns the exit status.
func WriteLog(path string) int {
	if err := appendLines(path, os.Stdin); err != nil {
		fmt.Print(err)
		return 1
	}
	return 0
}

// appendLines appends lines to a log, each in one write: other runs append to the
// file as well.
func appendLines(path string, from io.Reader) error {
	file, err := openLogFile(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for in := bufio.NewReader(from); ; {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			if _, err := file.Write(line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the log's lines: %w", err)
		}
	}
}

// openLogFile opens a log to append to, and makes it if there is none. The
// plugin is root and the folder may be somebody else's, so a link to another file
// is refused, and so is a file that root does not own.
func openLogFile(path string) (*os.File, error) {
	// O_NONBLOCK: opening a pipe must not wait for its reader.
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open(path, flags, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	var st unix.Stat_t
	switch err := unix.Fstat(fd, &st); {
	case err != nil:
		err = fmt.Errorf("look at %s: %w", path, err)
		_ = unix.Close(fd)
		return nil, err
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s is not a plain file", path)
	case st.Uid != 0:
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s belongs to user %d: want a file of root's", path, st.Uid)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// logFile is a log writer that was started.
type logFile struct {
	*outlet // its standard input
	says    *os.File
	process *os.Process
}

// startLogFile starts the writer of a log. The file itself is not looked at here.
func startLogFile(path string) (*logFile, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%s: want an absolute path", quoted(path))
	}
	var lines, answer [2]int // each a pipe: its reading end, its writing end
	if err := unix.Pipe2(lines[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe to its writer: %w", err)
	}
	stdin := os.NewFile(uintptr(lines[0]), "lines")
	defer stdin.Close()
	if err := unix.Pipe2(answer[:], unix.O_CLOEXEC); err != nil {
		_ = unix.Close(lines[1])
		return nil, fmt.Errorf("make a pipe from its writer: %w", err)
	}
	stdout := os.NewFile(uintptr(answer[1]), "answer")
	defer stdout.Close()
	says := os.NewFile(uintptr(answer[0]), "answer")
	process, err := os.StartProcess("/proc/self/exe", []string{LogWriter, path}, &os.ProcAttr{Env: []string{}, Files: []*os.File{stdin, stdout}})
	if err != nil {
		_ = unix.Close(lines[1])
		_ = says.Close()
		return nil, fmt.Errorf("start its writer: %w", err)
	}
	return &logFile{outlet: &outlet{fd: lines[1], patience: patience}, says: says, process: process}, nil
}

// end lets the writer write what it was given, as long as it has patience, and
// ends it. The error says what was wrong with the file.
func (l *logFile) end() error {
	defer l.says.Close()
	_ = unix.Close(l.fd)
	answer := unix.PollFd{Fd: int32(l.says.Fd()), Events: unix.POLLIN}
	for deadline := time.Now().Add(l.patience); ; {
		n, err := unix.Poll([]unix.PollFd{answer}, int(max(0, time.Until(deadline)).Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n < 1 {
			_ = l.process.Kill() // which a disk that does not answer delays
			_ = l.process.Release()
			return fmt.Errorf("its writer did not end in %v", l.patience)
		}
		break
	}
	text, err := io.ReadAll(io.LimitReader(l.says, pipeBuf))
	if _, werr := l.process.Wait(); err == nil {
		err = werr
	}
	if err == nil && len(text) > 0 {
		err = errors.New(string(text))
	}
	return err
}
