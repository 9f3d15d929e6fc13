package org.pocketbench.core;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;

/** One raw file per output, grown sample by sample: `&lt;stem>output_&lt;j>.bin`. */
final class OutputWriter {
    private final File folder;
    private final String named;
    private final String stem;
    private final List<Tensor> first = new ArrayList<>();
    private long samples;
    long nonFinite;

    /** named: the folder's name in the request, which the response uses too. */
    OutputWriter(File folder, String named, String stem) {
        this.folder = folder;
        this.named = named;
        this.stem = stem;
    }

    void add(List<Tensor> outputs) throws Refused {
        for (int i = 0; i < first.size(); i++) {
            if (i >= outputs.size() || !Fitting.alike(first.get(i), outputs.get(i))) {
                throw new Refused("the outputs change with the sample: " + first.get(i).spelled() + " at first");
            }
        }
        for (int i = 0; i < outputs.size(); i++) {
            append(new File(folder, name(i)), outputs.get(i));
        }
        if (samples++ == 0) {
            first.addAll(outputs);
        }
    }

    List<TensorFile> files() {
        List<TensorFile> found = new ArrayList<>();
        for (int i = 0; i < first.size(); i++) {
            Tensor like = first.get(i);
            found.add(new TensorFile(named + "/" + name(i), like.dtype.title(), like.shape, samples));
        }
        return found;
    }

    private String name(int output) {
        return stem + "output_" + output + ".bin";
    }

    private void append(File path, Tensor values) throws Refused {
        for (int i = 0; values.dtype.isFloat() && i < values.count(); i++) {
            double value = values.real(i);
            nonFinite += Double.isNaN(value) || Double.isInfinite(value) ? 1 : 0;
        }
        try (FileChannel channel = new FileOutputStream(path, samples > 0).getChannel()) {
            ByteBuffer bytes = values.whole();
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        } catch (IOException error) {
            throw new Refused(path + " cannot be written: " + Refused.oneLine(error));
        }
    }
}
