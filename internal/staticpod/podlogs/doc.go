// Package podlogs reads, rotates, links and in the end removes the log files that a CRI runtime writes for the containers of pods.
//
// The files lie as kubelet lays them out: ROOT/<namespace>_<pod>_<uid>/<container>/<attempt>.log, a rotated one with .<UTC time> behind its
// name and then .gz (pkg/kubelet/logs/container_log_manager.go). The runtime writes the current file; all else in a container's folder is
// made here.
//
// Reading (Find, Follow, Tail, LastLines, Restored) needs files alone: no daemon, no runtime. Memory is bounded whatever a container wrote,
// and only regular files are opened, never through a symbolic link in place of a log: a container that may write below the folder must not
// make the agent show it another file, or hang on a FIFO.
//
// Rotator and Collector are tasks that own what they do: nobody else renames or compresses a log, nobody else removes a pod's folder.
// Rotation loses no line at whatever step the agent dies; what is still open for writing is never compressed. What is removed is a rotated log beyond
// the number to keep, a folder that was recorded when its pod was removed, or a link of ours that leads nowhere; nothing else.
//
// Log lines may hold secrets: they are for root, never for HTTP, metrics or the agent's own log.
package podlogs
