package org.pocketbench.core;

import java.io.Closeable;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** The samples of one input, read from disk one by one. */
final class SampleFile implements Closeable {
    final TensorFile file;
    private final FileChannel channel;
    private final String path;
    private final Dtype dtype;

    /** Refused where the file is not what the request says. */
    SampleFile(TensorFile file, Folder folder) throws Refused {
        this.file = file;
        File place = folder.resolve(file.path);
        this.path = place.getPath();
        if (!Dtype.known(file.dtype)) {
            throw new Refused(path + " is of dtype '" + file.dtype + "', which is not known");
        }
        dtype = Dtype.of(file.dtype);
        try {
            long wanted = Math.multiplyExact(file.samples, bytes());
            channel = new FileInputStream(place).getChannel();
            if (channel.size() != wanted) {
                throw new Refused(path + " is " + channel.size() + " bytes, " + file.samples + " x "
                        + Dtype.spelled(file.dtype, file.shape) + " are " + wanted);
            }
        } catch (IOException error) {
            throw new Refused("input " + path + " cannot be read: " + Refused.oneLine(error));
        } catch (ArithmeticException error) {
            throw new Refused(path + " cannot be as large as " + Dtype.spelled(file.dtype, file.shape));
        }
    }

    Tensor read(long number) throws Refused {
        Tensor found = new Tensor(dtype, file.shape);
        ByteBuffer into = found.whole();
        try {
            while (into.hasRemaining()) {
                if (channel.read(into, number * bytes() + into.position()) < 0) {
                    throw new Refused("input " + path + " was cut off while it was read");
                }
            }
        } catch (IOException error) {
            throw new Refused("input " + path + " cannot be read: " + Refused.oneLine(error));
        }
        return found;
    }

    private long bytes() {
        return (long) Tensor.elements(file.shape) * dtype.bytes;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
