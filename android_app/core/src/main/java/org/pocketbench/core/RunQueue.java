package org.pocketbench.core;

import java.io.Closeable;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/**
 * What Linux counts for the thread that made it: the time it stood ready to run and did not (second field of
 * /proc/thread-self/schedstat), exact at every switch-in. Reading makes no garbage.
 */
public class RunQueue implements Closeable {
    private static final int BYTES = 96;

    private final FileChannel channel;
    private final ByteBuffer text = ByteBuffer.allocateDirect(BYTES);

    RunQueue(FileChannel channel) {
        this.channel = channel;
    }

    /** null where the system does not tell, or prints zeros because it does not count. */
    @SuppressWarnings("resource") // closed with the queue
    public static RunQueue ofThisThread() {
        try {
            RunQueue queue = new RunQueue(new FileInputStream("/proc/thread-self/schedstat").getChannel());
            queue.fill();
            if (queue.field(0) > 0 && queue.field(2) > 0) {
                return queue;
            }
            queue.close();
        } catch (IOException absent) {
            return null;
        }
        return null;
    }

    /** Nanoseconds so far. */
    long waitedNs() throws IOException {
        fill();
        return field(1);
    }

    private void fill() throws IOException {
        text.clear();
        channel.read(text, 0);
        text.flip();
    }

    /** A number of the line, 0 for a field that is not there. */
    private long field(int wanted) {
        int at = 0;
        for (int field = 0; field < wanted; at++) {
            if (at >= text.limit()) {
                return 0;
            }
            field += text.get(at) == ' ' ? 1 : 0;
        }
        long value = 0;
        for (; at < text.limit() && text.get(at) >= '0' && text.get(at) <= '9'; at++) {
            value = 10 * value + text.get(at) - '0';
        }
        return value;
    }

    @Override
    public void close() throws IOException {
        if (channel != null) {
            channel.close();
        }
    }
}
