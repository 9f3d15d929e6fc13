package org.pocketbench.app;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.database.Cursor;
import android.net.Uri;
import android.os.Binder;
import android.os.ParcelFileDescriptor;
import java.io.File;
import java.io.FileNotFoundException;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Results;

/**
 * The second way out for results, where a phone does not let the shell into the media folder: {@code content read --uri
 * content://PACKAGE.results/RUN/response.json}. For those who hold DUMP, as the shell does, and of them only for shell,
 * root and system; for reading alone.
 */
public final class ResultsProvider extends ContentProvider {
    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        try {
            File runs = new File(BenchInstrumentation.media(getContext()), "runs");
            File file = Results.file(runs, uri.getPathSegments(), mode, Binder.getCallingUid());
            return ParcelFileDescriptor.open(file, ParcelFileDescriptor.MODE_READ_ONLY);
        } catch (Refused error) {
            throw new FileNotFoundException(error.getMessage());
        }
    }

    @Override
    public String getType(Uri uri) {
        return "application/octet-stream";
    }

    @Override
    public Cursor query(Uri uri, String[] columns, String where, String[] values, String order) {
        throw new SecurityException("results are files");
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new SecurityException("results are for reading alone");
    }

    @Override
    public int update(Uri uri, ContentValues values, String where, String[] arguments) {
        throw new SecurityException("results are for reading alone");
    }

    @Override
    public int delete(Uri uri, String where, String[] arguments) {
        throw new SecurityException("results are for reading alone");
    }
}
