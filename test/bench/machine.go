//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is what the figures were measured on. What can't be found out is "unknown".
type machine struct {
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	Memory     uint64 `json:"memory_bytes"`
	Kernel     string `json:"kernel"`
	Folder     string `json:"folder"` // where data, repositories and restored trees are
	FileSystem string `json:"file_system"`
	Go         string `json:"go"` // that this program was built with
}

func thisMachine(folder string) machine {
	m := machine{CPU: "unknown", Cores: runtime.NumCPU(), Kernel: "unknown", Folder: folder, FileSystem: fileSystem(folder), Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err == nil {
		m.Memory = info.Totalram * uint64(info.Unit)
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.1f GiB of memory, Linux %s, %s on %s, load %s", m.CPU, m.Cores, float64(m.Memory)/(1<<30), m.Kernel,
		m.Folder, m.FileSystem, load())
}

// load returns the load averages of the last 1, 5 and 15 minutes.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	fields := strings.Fields(string(b))
	return strings.Join(fields[:min(3, len(fields))], "/")
}

func fileSystem(folder string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return "unknown"
	}
	switch st.Type {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	}
	return fmt.Sprintf("file system %#x", st.Type)
}

// workFolder makes the folder for everything. Without a wish it lies in memory if there is room for need bytes, as then
// the disk, which both engines share with everybody else, says nothing to the figures.
func workFolder(wish string, need int64) (string, error) {
	parent := wish
	if wish == "" {
		parent = os.TempDir()
		if memory := "/dev/shm"; fileSystem(memory) == "tmpfs" && free(memory) > need && available() > need+2<<30 {
			parent = memory
		}
	}
	if room := free(parent); room < need {
		return "", fmt.Errorf("find room in %q: %d MB are free and %d MB are needed; take another -dir or a smaller -scale", parent, room/1e6, need/1e6)
	}
	folder, err := os.MkdirTemp(parent, "backstay-bench-")
	if err != nil {
		return "", fmt.Errorf("make work folder: %w", err)
	}
	return filepath.Abs(folder)
}

// free returns the bytes free in a folder's file system, 0 if that can't be told.
func free(folder string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0
	}
	return int64(st.Bavail) * st.Bsize
}

// available returns the memory that could be had without swapping, 0 if that can't be told.
func available() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if n, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil && n == 1 {
			return kib << 10
		}
	}
	return 0
}
