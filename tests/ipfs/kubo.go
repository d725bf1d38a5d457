// Stands in for Kubo: takes the lock of a repository through the very package that Kubo takes it with,
// and is a daemon as far as others can see.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"go4.org/lock"
)

func main() {
	// As Kubo: ipfs --repo-dir REPO COMMAND ...
	repo, command, rest := os.Args[2], os.Args[3], os.Args[4:]
	path := filepath.Join(repo, "repo.lock")
	switch command {
	case "daemon", "add":
		hold(repo, path)
	case "try":
		closer, err := lock.Lock(path)
		must(err)
		must(closer.Close())
	case "work":
		work(path, rest[0], rest[1])
	case "inside":
		witness := openWitness(rest[0])
		inside(witness, rest[1], "ours")
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// Has the repository until it is told to stop.
func hold(repo, path string) {
	closer, err := lock.Lock(path)
	must(err)
	api := filepath.Join(repo, "api")
	stop := func() {
		os.Remove(api)
		must(closer.Close())
		os.Exit(0)
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() {
		<-terminated
		stop()
	}()
	fmt.Println("locked")
	orders := bufio.NewScanner(os.Stdin)
	var listener net.Listener
	for orders.Scan() {
		words := strings.Fields(orders.Text())
		switch words[0] {
		case "listen":
			listener = listen(words[1:])
		case "serve":
			go serve(listener)
		case "say":
			must(os.WriteFile(api, []byte(strings.Join(words[1:], " ")), 0644))
		case "say-where":
			must(os.WriteFile(api, []byte(multiaddr(listener)), 0644))
		}
		fmt.Println("done", words[0])
	}
	stop()
}

func listen(where []string) net.Listener {
	network, address := "tcp", "127.0.0.1:0"
	if len(where) > 0 {
		network, address = "unix", where[0]
	}
	listener, err := net.Listen(network, address)
	must(err)
	return listener
}

func multiaddr(listener net.Listener) string {
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
		return fmt.Sprintf("/ip4/%s/tcp/%d", tcp.IP, tcp.Port)
	}
	return "/unix" + listener.Addr().String()
}

// Kubo answers GET so.
func serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		bufio.NewReader(conn).ReadString('\n')
		fmt.Fprint(conn, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
		conn.Close()
	}
}

// Takes the lock again and again, as fast as it can be had, and goes inside each time.
func work(path, witnessPath, log string) {
	// Before the lock: what a process has open is closed in the order of its descriptors when it is killed.
	witness := openWitness(witnessPath)
	for {
		closer, err := lock.Lock(path)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		if !isNamed(path) {
			// Two of Kubo's own can both have it: the one has that of a file which the other has
			// removed since. It would remove the next one's file, too.
			os.Exit(3)
		}
		inside(witness, log, "kubo")
		must(closer.Close())
	}
}

// Whether the file that we have locked is the one that is there.
func isNamed(path string) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	links, err := filepath.Glob("/proc/self/fd/*")
	must(err)
	for _, link := range links {
		if ours, err := os.Stat(link); err == nil && os.SameFile(ours, there) {
			return true
		}
	}
	return false
}

// A file whose lock says that somebody is inside; or a folder that does so by being there, which also
// tells the threads of one process apart, but stays when somebody is killed.
type witness struct {
	file   *os.File
	folder string
}

func openWitness(path string) witness {
	if strings.HasSuffix(path, ".folder") {
		return witness{folder: path}
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0644)
	must(err)
	return witness{file: file}
}

// A lock of the same kind as Kubo's: those of somebody who is killed go in the order of their descriptors.
func (w witness) lock(kind int16) error {
	return syscall.FcntlFlock(w.file.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: kind})
}

func (w witness) enter() error {
	if w.file == nil {
		return os.Mkdir(w.folder, 0755)
	}
	return w.lock(syscall.F_WRLCK)
}

func (w witness) leave() error {
	if w.file == nil {
		return os.Remove(w.folder)
	}
	return w.lock(syscall.F_UNLCK)
}

// Where nobody else may be.
func inside(witness witness, log, who string) {
	if witness.enter() != nil {
		who = "violation by " + who
	}
	time.Sleep(time.Millisecond)
	file, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0644)
	must(err)
	fmt.Fprintln(file, who)
	file.Close()
	must(witness.leave())
}
