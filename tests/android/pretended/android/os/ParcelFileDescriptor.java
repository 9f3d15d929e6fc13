package android.os;

import java.io.File;
import java.io.FileNotFoundException;

/** Pretended. */
public class ParcelFileDescriptor {
    public static final int MODE_READ_ONLY = 1;
    public final File file;
    public final int mode;

    private ParcelFileDescriptor(File file, int mode) {
        this.file = file;
        this.mode = mode;
    }

    public static ParcelFileDescriptor open(File file, int mode) throws FileNotFoundException {
        if (!file.isFile()) {
            throw new FileNotFoundException(file.getPath());
        }
        return new ParcelFileDescriptor(file, mode);
    }
}
