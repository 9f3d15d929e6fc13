package android.os;

import java.io.File;
import java.io.FileNotFoundException;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public class ParcelFileDescriptor {
    public static int MODE_READ_ONLY;

    public static ParcelFileDescriptor open(File file, int mode) throws FileNotFoundException {
        throw new RuntimeException("stub");
    }
}
